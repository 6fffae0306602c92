//! An XML document as a small tree: names without their prefixes, texts, attributes. Entities beyond the five that XML
//! itself knows are refused, and so is whatever is larger or deeper than a camera's answer.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Bytes of an answer that is read; profiles of a camera with twelve streams take 40 KiB.
pub const MOST_BYTES: usize = 256 * 1024;
const DEEPEST: usize = 40;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// Its own text, without that of its children.
    pub text: String,
    pub children: Vec<Node>,
}

impl Node {
    /// The document's outermost element; the error is a sentence's end.
    pub fn parse(bytes: &[u8]) -> Result<Node, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!("more than {} KiB", MOST_BYTES / 1024));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "no UTF-8")?;
        let mut reader = Reader::from_str(text);
        // Around everything, so that there is always somebody to belong to.
        let mut open = vec![Node::default()];
        loop {
            let broken = |what: &dyn std::fmt::Display| format!("broken XML: {what}");
            match reader.read_event().map_err(|error| broken(&error))? {
                Event::Start(start) if open.len() > DEEPEST => {
                    return Err(format!("elements are nested too deep at {}", start.name().0));
                }
                Event::Start(start) => open.push(begun(&start)?),
                Event::Empty(start) => last(&mut open).children.push(begun(&start)?),
                Event::End(_) => {
                    let node = open.pop().ok_or("an end without a beginning")?;
                    last(&mut open).children.push(node);
                }
                Event::Text(text) => last(&mut open).text.push_str(&text.xml_content(XmlVersion::Implicit1_0)),
                Event::CData(text) => last(&mut open).text.push_str(&text),
                Event::GeneralRef(entity) => {
                    let known = match entity.resolve_char_ref().map_err(|error| broken(&error))? {
                        Some(c) => c.to_string(),
                        None => resolve_predefined_entity(&entity).ok_or("an unknown entity")?.to_owned(),
                    };
                    last(&mut open).text.push_str(&known);
                }
                Event::DocType(_) => return Err("a document type, which no camera needs".into()),
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
        match (open.len(), last(&mut open).children.pop()) {
            (1, Some(root)) => Ok(root),
            (1, None) => Err("no XML".into()),
            _ => Err("broken XML: it ends before its end".into()),
        }
    }

    /// Every element of that name, at any depth, in order.
    pub fn all<'n>(&'n self, name: &str) -> Vec<&'n Node> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            found.extend(child.all(name));
        }
        found
    }

    pub fn first<'n>(&'n self, name: &str) -> Option<&'n Node> {
        self.children.iter().find_map(|child| if child.name == name { Some(child) } else { child.first(name) })
    }

    /// The trimmed text of the first element of that name; `None` for none and for an empty one.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.first(name).map(|node| node.text.trim()).filter(|text| !text.is_empty())
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn last(open: &mut [Node]) -> &mut Node {
    open.last_mut().expect("the outermost is only popped with the document")
}

fn begun(start: &BytesStart<'_>) -> Result<Node, String> {
    let mut node = Node { name: start.local_name().as_ref().to_owned(), ..Node::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("broken XML: {error}"))?;
        let value =
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| format!("broken XML: {error}"))?;
        node.attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(node)
}

/// A text as it may stand in an element.
pub fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_entities_and_depth_are_read_as_they_are_meant() {
        let text = r#"<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><trt:Profiles token="a&amp;b">
            <tt:Uri>rtsp://10.0.0.4/live?channel=1&amp;subtype=0&#x41;</tt:Uri><empty/></trt:Profiles></s:Body></s:Envelope>"#;
        let root = Node::parse(text.as_bytes()).unwrap();
        assert_eq!(root.name, "Envelope");
        assert_eq!(root.text_of("Uri"), Some("rtsp://10.0.0.4/live?channel=1&subtype=0A"));
        assert_eq!(root.first("Profiles").and_then(|node| node.attribute("token")), Some("a&b"));
        assert_eq!(root.text_of("empty"), None);
    }

    #[test]
    fn what_is_no_answer_of_a_camera_is_refused() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        let bomb = r#"<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>"#;
        for wrong in ["", "hello", "<a>", "<a></b>", "</a>", "<a>&unknown;</a>", "<a b=c/>", &deep, bomb] {
            assert!(Node::parse(wrong.as_bytes()).is_err(), "{wrong:.40}");
        }
        assert!(Node::parse(&[0xff, b'<']).is_err());
        assert!(Node::parse(&vec![b' '; MOST_BYTES + 1]).is_err());
    }
}
