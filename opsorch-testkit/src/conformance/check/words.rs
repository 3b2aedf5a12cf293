//! Words for statuses and severities: kept, known, and never guessed.

use opsorch::{ErrorKind, Operation, Result};
use serde_json::{Value, json};

use crate::conformance::lab::Lab;
use crate::conformance::listing::{By, Listing, Vocabulary, identity, member};
use crate::conformance::maker::{Maker, Member, Surroundings, change, is_refusal};
use crate::conformance::rule::{Checked, Verdict, ensure, nothing};
use crate::conformance::subject::Bench;

/// A word that is in no table.
const WEIRD: &str = "weird-4711";

pub(in crate::conformance) async fn a_word_is_there_and_known_words_are_not_unknown(
    bench: &Bench<'_>,
) -> Checked<Verdict> {
    every_word(bench, |vocabulary, word, raw| {
        let is_known = raw.and_then(vocabulary.meaning).is_some();
        match word {
            _ if word.trim().is_empty() => Some("is empty".to_owned()),
            _ if is_known && (vocabulary.meaning)(word).is_none() => Some(format!("is {word:?}, which is unknown")),
            _ => None,
        }
    })
    .await
}

pub(in crate::conformance) async fn a_vendors_word_has_its_usual_level(bench: &Bench<'_>) -> Checked<Verdict> {
    every_word(bench, |vocabulary, word, raw| {
        let usual = raw.and_then(vocabulary.meaning)?;
        let given = (vocabulary.meaning)(word)?;
        (given != usual).then(|| format!("is {word:?}, where the table says {usual:?}"))
    })
    .await
}

/// Looks at every word of every thing: the word, and the vendor's own beside it. `judge` says what is wrong.
async fn every_word(
    bench: &Bench<'_>,
    judge: impl Fn(&Vocabulary, &str, Option<&str>) -> Option<String>,
) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    for listing in Listing::offered(&lab) {
        let things = listing.all(&lab).await?;
        for filter in listing.filters {
            let By::Word(vocabulary, name) = filter.by else { continue };
            for thing in &things {
                // A log entry may have no severity.
                let Some(word) = member(thing, name).as_str() else { continue };
                let raw = member(thing, &format!("{name}Raw")).as_str();
                let wrong = judge(vocabulary, word, raw).unwrap_or_default();
                let id = identity(thing);
                ensure!(wrong.is_empty(), "{}: `{name}` of {id} {wrong}; the vendor's own is {raw:?}", listing.query);
                looked = true;
            }
        }
    }
    if !looked {
        nothing!("no query finds anything with a status or a severity");
    }
    Ok(Verdict::Kept)
}

pub(in crate::conformance) async fn an_unknown_word_is_kept_or_refused(bench: &Bench<'_>) -> Checked<Verdict> {
    let (lab, mut looked) = (bench.open().await?, false);
    let world = Surroundings::of(&lab).await?;
    for maker in Maker::offered(&lab) {
        for filter in Listing::by(maker.query)?.filters {
            let By::Word(vocabulary, name) = filter.by else { continue };
            let is_unknown = |thing: &Value| {
                let word = member(thing, name);
                let means_nothing = word.as_str().is_some_and(|word| (vocabulary.meaning)(word).is_none());
                means_nothing && [word, member(thing, &format!("{name}Raw"))].contains(&&json!(WEIRD))
            };
            for (change, answer) in answers(&lab, &world, maker, name).await? {
                let is_good = match &answer {
                    Ok(thing) => is_unknown(&maker.read(&lab, thing).await?),
                    Err(error) => is_refusal(error) || error.kind() == &ErrorKind::Conflict,
                };
                let answer = match answer {
                    Ok(thing) => member(&thing, name).to_string(),
                    Err(error) => error.to_string(),
                };
                ensure!(
                    is_good,
                    "{change} with the {name} {WEIRD:?}: expected that it is kept or refused, got {answer}"
                );
                looked = true;
            }
        }
    }
    if !looked {
        nothing!("the provider takes no status and no severity");
    }
    Ok(Verdict::Kept)
}

/// What becomes of an unknown word where a known one is kept: that it is ignored is not looked at here.
async fn answers(
    lab: &Lab,
    world: &Surroundings,
    maker: &Maker,
    name: &str,
) -> Checked<Vec<(Operation, Result<Value>)>> {
    let known = |members: &'static [Member]| {
        let member = members.iter().find(|member| member.name == name)?;
        Some((member, member.value(world, name)?))
    };
    let mut answers = Vec::new();
    if let Some((member, word)) = known(maker.required).or_else(|| known(maker.optional))
        && let Some((_, Ok(made))) = maker.make(lab, world, "with a known word", &json!({ name: word })).await?
        && member.is_in(&maker.read(lab, &made).await?, &word)
    {
        let made = maker.make(lab, world, "with an unknown word", &json!({ name: WEIRD })).await?;
        answers.extend(made.map(|(_, made)| (maker.create, made)));
    }
    if let (Some(update), Some((member, word))) = (maker.update, known(maker.changeable))
        && let Some((_, Ok(made))) = maker.make(lab, world, "to be updated", &json!({})).await?
    {
        let with = |word: &Value| json!({ "id": made.get("id"), name: word });
        let updated = change(lab, update, with(&word)).await?;
        if updated.is_ok() && member.is_in(&maker.read(lab, &made).await?, &word) {
            answers.push((update, change(lab, update, with(&json!(WEIRD))).await?));
        }
    }
    Ok(answers)
}
