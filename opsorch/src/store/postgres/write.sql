WITH written_grants AS (
    INSERT INTO grants (id, version, state, requested_at, body, seal)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[])
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state,
        requested_at = excluded.requested_at, body = excluded.body, seal = excluded.seal
), written_keys AS (
    INSERT INTO keys (key, issuer, subject, digest, grant_id, expires_at)
    SELECT * FROM unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
    ON CONFLICT (key) DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject, digest = excluded.digest,
        grant_id = excluded.grant_id, expires_at = excluded.expires_at
), written_leases AS (
    INSERT INTO leases (grant_id, sequence, instance, until)
    SELECT * FROM unnest($13::text[], $14::bigint[], $15::text[], $16::text[])
    ON CONFLICT (grant_id) DO UPDATE SET sequence = excluded.sequence, instance = excluded.instance,
        until = excluded.until
), ended_leases AS (
    DELETE FROM leases WHERE grant_id = ANY($17::text[])
), written_entries AS (
    INSERT INTO entries (sequence, nodes, head, result, leaf, event, grant_id)
    SELECT * FROM unnest($18::bigint[], $19::bytea[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[])
)
UPDATE tree SET frontier = $25, head = $26
RETURNING pg_notify($27, $28)
