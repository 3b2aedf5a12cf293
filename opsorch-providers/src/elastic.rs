//! Elasticsearch and OpenSearch.
