//! docs/openapi.json is what the daemon really does: same routes, same guards, every example request is accepted, and
//! every answer has the shape that is written there.

use crate::daemon::*;
use carryout::web::{Access, route_list};
use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(include_str!("../../docs/openapi.json")).expect("docs/openapi.json is JSON")
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().expect("methods").iter().map(move |(method, op)| (method.clone(), path.clone(), op))
        })
        .collect()
}

#[test]
fn every_route_is_written_down_and_nothing_else() {
    let document = document();
    let served: BTreeSet<(String, String)> =
        route_list().into_iter().map(|(method, path, _)| (method.to_owned(), path.to_owned())).collect();
    let written: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(served, written, "left: the router, right: docs/openapi.json");
    for (method, path, access) in route_list() {
        let security = &document["paths"][path][method]["security"];
        let open = security.as_array().is_some_and(Vec::is_empty);
        assert_eq!(open, access == Access::Anybody, "{method} {path}: who may");
    }
}

/// The part of JSON Schema that the document uses. Adds what does not fit to `wrong`.
fn check(document: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return check(document, target.unwrap_or_else(|| panic!("{reference} leads nowhere")), value, at, wrong);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        check(document, part, value, at, wrong);
    }
    if let Some(parts) = schema["anyOf"].as_array() {
        let fits = |part: &Value| {
            let mut wrong = Vec::new();
            check(document, part, value, at, &mut wrong);
            wrong.is_empty()
        };
        if !parts.iter().any(fits) {
            wrong.push(format!("{at}: {value} fits none of {parts:?}"));
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{at}: unknown type {other}"),
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        wrong.push(format!("{at}: {value} is not {kinds:?}"));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        wrong.push(format!("{at}: {value} is not one of {allowed:?}"));
    }
    for (key, below) in [("minimum", true), ("maximum", false)] {
        if let (Some(limit), Some(number)) = (schema[key].as_f64(), value.as_f64())
            && ((below && number < limit) || (!below && number > limit))
        {
            wrong.push(format!("{at}: {value} is past the {key} {limit}"));
        }
    }
    if schema["format"] == "uuid" && value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_err()) {
        wrong.push(format!("{at}: {value} is not a uuid"));
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(key).is_none() {
            wrong.push(format!("{at}: `{key}` is missing"));
        }
    }
    for (key, part) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(key) {
            check(document, part, value, &format!("{at}.{key}"), wrong);
        }
    }
    if let Some(items) = value.as_array().filter(|_| schema["items"].is_object()) {
        for (i, item) in items.iter().enumerate() {
            check(document, &schema["items"], item, &format!("{at}[{i}]"), wrong);
        }
    }
}

fn shape(document: &Value, schema: &Value, value: &Value, story: &str) {
    let mut wrong = Vec::new();
    check(document, schema, value, "body", &mut wrong);
    assert!(wrong.is_empty(), "{story}: {wrong:#?}");
}

/// The address of an operation with its examples filled in.
fn address(path: &str, operation: &Value) -> String {
    let mut path = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        let example = parameter["example"].as_str().map_or_else(|| parameter["example"].to_string(), str::to_owned);
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &example),
            Some("query") => query.push(format!("{name}={example}")),
            _ => {}
        }
    }
    assert!(!path.contains('{'), "{path} has a parameter without an example");
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

#[tokio::test]
async fn every_example_is_accepted_and_every_answer_has_its_shape() {
    let document = document();
    let mut bodies = 0;
    for (method, path, operation) in operations(&document) {
        let story = format!("{method} {path}");
        // A fresh daemon each: the examples change things.
        let daemon = Daemon::start().await;
        let verb = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = client().request(verb.clone(), daemon.url(&address(&path, operation)));
        if operation["security"].is_null() {
            request = request.bearer_auth(TOKEN);
        }
        for header in operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "header") {
            request = request.header(header["name"].as_str().unwrap(), header["example"].as_str().unwrap());
        }
        let content = &operation["requestBody"]["content"]["application/json"];
        if content.is_object() {
            shape(&document, &content["schema"], &content["example"], &format!("{story}: the example request"));
            request = request.json(&content["example"]);
            bodies += 1;
        }
        assert_eq!(content.is_object(), method == "post", "{story}: posts have a body and an example of it");
        let mut answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        assert!((200..300).contains(&status), "{story}: {status} {}", answer.text().await.unwrap());
        let written = &operation["responses"][status.to_string()];
        assert!(written.is_object(), "{story}: {status} is not written down");
        let Some((kind, content)) = written["content"].as_object().and_then(|kinds| kinds.iter().next()) else {
            continue;
        };
        let sent = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(sent.split(';').next(), Some(kind.as_str()), "{story}: the kind of answer");
        match kind.as_str() {
            "application/json" => {
                let body: Value = answer.json().await.unwrap();
                shape(&document, &content["schema"], &body, &story);
                if content["example"].is_object() {
                    shape(&document, &content["schema"], &content["example"], &format!("{story}: the example answer"));
                }
            }
            "text/event-stream" => {
                let mut text = String::new();
                while !text.contains("\n\n") {
                    text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
                }
                let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
                shape(&document, &content["schema"], &serde_json::from_str(data).unwrap(), &story);
            }
            _ => assert!(!answer.text().await.unwrap().is_empty(), "{story}"),
        }
        // Guarded: the refusal is written down too, and has the shape of a problem.
        if operation["security"].is_null() {
            let refused = client().request(verb, daemon.url(&address(&path, operation))).send().await.unwrap();
            assert_eq!(refused.status().as_u16(), 401, "{story}");
            let schema = &document["components"]["responses"]["401"]["content"]["application/problem+json"]["schema"];
            shape(&document, schema, &refused.json().await.unwrap(), &story);
            assert!(operation["responses"]["401"].is_object(), "{story}: 401 is not written down");
        }
    }
    assert!(bodies >= 6, "{bodies} example requests");
}
