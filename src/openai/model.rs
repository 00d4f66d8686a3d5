//! The model objects of `GET /v1/models` and `GET /v1/models/{id}`.

use serde::Serialize;

/// One model: an alias, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "object", rename = "model")]
pub struct Model<'a> {
    /// The alias.
    pub id: &'a str,
    /// Unix seconds; the same in every answer, since clients take a change for a new model.
    pub created: u64,
    /// Who offers it.
    pub owned_by: &'a str,
}

impl Model<'_> {
    /// The answer to a retrieval.
    pub fn to_json(&self) -> Vec<u8> {
        // Writing strings and a number into a Vec cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The answer to a listing.
pub fn list_json<'a>(models: impl IntoIterator<Item = Model<'a>>) -> Vec<u8> {
    #[derive(Serialize)]
    struct List<'a> {
        object: &'static str,
        data: Vec<Model<'a>>,
    }
    let list = List { object: "list", data: models.into_iter().collect() };
    serde_json::to_vec(&list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str) -> Model<'_> {
        Model { id, created: 1_700_000_000, owned_by: "chipp" }
    }

    #[test]
    fn a_model_has_exactly_four_keys() {
        assert_eq!(
            String::from_utf8(model("team/gpt-4o:1").to_json()).unwrap(),
            r#"{"object":"model","id":"team/gpt-4o:1","created":1700000000,"owned_by":"chipp"}"#
        );
    }

    #[test]
    fn a_list_keeps_the_order_and_may_be_empty() {
        assert_eq!(list_json([]), br#"{"object":"list","data":[]}"#);
        let list: serde_json::Value = serde_json::from_slice(&list_json([model("b"), model("a")])).unwrap();
        assert_eq!(list["object"], "list");
        let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}
