//! Metadata in the Croissant vocabulary (mlcommons.org/croissant, version 1.0), for search engines and loaders of data sets.

use serde_json::{Value, json};

use crate::{Card, IMAGES, MANIFEST, ORIGINALS, Purpose};

/// The JSON-LD of a benchmark. `manifest` is the SHA-256 of the manifest.
pub(crate) fn metadata(card: &Card, manifest: &str) -> String {
    let licence: Vec<String> = card.licences.iter().map(|of| format!("{}: {}", of.of, of.licence)).collect();
    let files = |id: &str, what: &str| {
        json!({
            "@type": "cr:FileSet",
            "@id": id,
            "name": id,
            "description": what,
            "encodingFormat": "image/png",
            "includes": format!("{id}/*/*.png"),
        })
    };
    let field = |column: &str, kind: &str, what: &str| {
        json!({
            "@type": "cr:Field",
            "@id": format!("samples/{column}"),
            "name": column,
            "description": what,
            "dataType": kind,
            "source": { "fileObject": { "@id": "manifest" }, "extract": { "column": column } },
        })
    };
    let (text, whole, truth) = ("sc:Text", "sc:Integer", "sc:Boolean");
    let fields = vec![
        field("file", text, "the perturbed image, below the folder of this file"),
        field("original", text, "the original, below the folder of this file"),
        field("index", whole, "position in the data of the run"),
        field("key", text, "name of the original in its data set"),
        field("label", whole, "true class, from 0"),
        field("class", text, "name of the true class"),
        field("produced", truth, "whether the search produced the image; else the file holds the original"),
        field("outcome", text, "how the search ended"),
        field("accepted_updates", whole, "updates that the oracle accepted"),
        field("original_prediction", whole, "class that the target gives to the file of the original"),
        field("prediction", whole, "class that the target gives to the file of the perturbed image"),
        field("accepted", truth, "whether the oracle's verdict accepts the file of the perturbed image"),
    ];
    let metadata = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "description": description(card),
        "version": "1.0.0",
        "license": if licence.is_empty() { "not stated".to_owned() } else { licence.join("; ") },
        "citeAs": "Foundation Model-oriented Robustness: Robust Image Model Evaluation with Pretrained Models (ICLR 2024)",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": "manifest",
                "description": "one line a sample",
                "contentUrl": MANIFEST,
                "encodingFormat": "text/csv",
                "sha256": manifest,
            },
            files(IMAGES, "perturbed images in class folders"),
            files(ORIGINALS, "originals in class folders, under the same names"),
        ],
        "recordSet": [{
            "@type": "cr:RecordSet",
            "@id": "samples",
            "name": "samples",
            "description": "the samples, as the manifest lists them",
            "key": { "@id": "samples/file" },
            "field": fields,
        }],
    });
    format!("{metadata:#}\n")
}

fn description(card: &Card) -> String {
    let use_of = match card.purpose {
        Purpose::Evaluation => "A static benchmark",
        Purpose::Training => "Pairs of clean and perturbed training images",
    };
    format!(
        "{use_of}: {} images of {}, perturbed by the generator {} for the target {}, as far as the oracle {} still sees the \
         true class. {}",
        card.images, card.data, card.generator, card.target, card.oracle, card.world
    )
}

/// The context that the Croissant specification prints.
fn context() -> Value {
    let vocab = |id: &str| json!({ "@id": id, "@type": "@vocab" });
    let json_value = |id: &str| json!({ "@id": id, "@type": "@json" });
    json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "data": json_value("cr:data"),
        "dataType": vocab("cr:dataType"),
        "dct": "http://purl.org/dc/terms/",
        "examples": json_value("cr:examples"),
        "equivalentProperty": "cr:equivalentProperty",
        "extract": "cr:extract",
        "field": "cr:field",
        "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "md5": "cr:md5",
        "parentField": "cr:parentField",
        "path": "cr:path",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform",
    })
}
