use std::sync::Mutex;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::bucket::{Service, sha1};
use super::wire::{Answer, Request};
use super::{KEY, KEY_ID};

const VERSION: &str = "/b2api/v2/";

/// What the service answers to `request`.
pub fn answer(request: &Request, service: &Mutex<Service>) -> Answer {
    let path = request.path.as_str();
    let outcome = if path == "/b2api/v2/b2_authorize_account" {
        authorize(request, &mut service.lock().unwrap())
    } else if let Some(name) = path.strip_prefix(VERSION) {
        call(name, request, &mut service.lock().unwrap())
    } else if let Some(id) = path.strip_prefix("/upload/") {
        upload(id, request, service)
    } else if let Some(name) = path.strip_prefix("/file/") {
        return download(name, request, &mut service.lock().unwrap());
    } else {
        Err(Answer::no(404, "not_found", "no such place"))
    };
    match outcome {
        Ok(value) => Answer::json(&value),
        Err(answer) => answer,
    }
}

fn authorize(request: &Request, service: &mut Service) -> Result<Value, Answer> {
    let login = format!("Basic {}", BASE64.encode(format!("{KEY_ID}:{KEY}").as_bytes()));
    if request.header("authorization") != login {
        return Err(Answer::no(401, "unauthorized", ""));
    }
    let mut may = vec!["listBuckets", "listFiles", "readFiles", "writeFiles", "writeBuckets"];
    if service.manners.may_delete {
        may.push("deleteFiles");
    }
    let address = format!("http://{}", service.address);
    Ok(json!({
        "accountId": "account",
        "authorizationToken": service.new_token(),
        "apiUrl": address,
        "downloadUrl": address,
        "recommendedPartSize": 100_000_000,
        "absoluteMinimumPartSize": 5_000_000,
        "allowed": { "capabilities": may, "bucketId": null, "bucketName": null, "namePrefix": null },
    }))
}

fn call(name: &str, request: &Request, service: &mut Service) -> Result<Value, Answer> {
    service.check_token(request.header("authorization"))?;
    let arguments = request.json();
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    let number = |name: &str| usize::try_from(arguments[name].as_u64().unwrap_or(100)).unwrap();
    let bucket = text("bucketId");
    match name {
        "b2_list_buckets" => Ok(buckets(service, text("bucketName"))),
        "b2_create_bucket" => create_bucket(service, text("bucketName")),
        "b2_get_upload_url" => {
            check_bucket(service, bucket)?;
            Ok(service.new_target(bucket))
        }
        "b2_list_file_names" => {
            check_bucket(service, bucket)?;
            Ok(service.names(bucket, text("prefix"), text("startFileName"), number("maxFileCount")))
        }
        "b2_list_file_versions" => {
            check_bucket(service, bucket)?;
            let (prefix, start, id) = (text("prefix"), text("startFileName"), text("startFileId"));
            Ok(service.all_versions(bucket, prefix, start, id, number("maxFileCount")))
        }
        "b2_hide_file" => {
            check_bucket(service, bucket)?;
            Ok(service.add(bucket, text("fileName"), None))
        }
        "b2_delete_file_version" if !service.manners.may_delete => {
            Err(Answer::no(401, "unauthorized", "the key may not do that"))
        }
        "b2_delete_file_version" => service.delete(text("fileName"), text("fileId")),
        "b2_start_large_file" => {
            check_bucket(service, bucket)?;
            check_name(text("fileName"))?;
            Ok(service.start_large(bucket, text("fileName")))
        }
        "b2_get_upload_part_url" => Ok(service.new_target(text("fileId"))),
        "b2_finish_large_file" => {
            let digests = arguments["partSha1Array"].as_array().cloned().unwrap_or_default();
            let digests: Vec<String> = digests
                .iter()
                .filter_map(|digest| Some(digest.as_str()?.to_owned()))
                .collect();
            service.finish_large(text("fileId"), &digests)
        }
        "b2_cancel_large_file" => service.cancel_large(text("fileId")),
        _ => Err(Answer::no(400, "bad_request", "no such call")),
    }
}

fn buckets(service: &Service, wanted: &str) -> Value {
    let found = service
        .buckets
        .iter()
        .filter(|(_, name)| wanted.is_empty() || *name == wanted);
    let list: Vec<Value> = found
        .map(|(id, name)| json!({ "bucketId": id, "bucketName": name }))
        .collect();
    json!({ "buckets": list })
}

fn create_bucket(service: &mut Service, name: &str) -> Result<Value, Answer> {
    if service.buckets.values().any(|known| known == name) {
        return Err(Answer::no(400, "duplicate_bucket_name", "the name is taken"));
    }
    let id = service.id("bucket");
    service.buckets.insert(id.clone(), name.to_owned());
    Ok(json!({ "bucketId": id, "bucketName": name }))
}

fn check_bucket(service: &Service, id: &str) -> Result<(), Answer> {
    if service.buckets.contains_key(id) {
        return Ok(());
    }
    Err(Answer::no(400, "bad_bucket_id", "no such bucket"))
}

fn check_name(name: &str) -> Result<(), Answer> {
    let bad = name.is_empty()
        || name.len() > 1024
        || name.starts_with('/')
        || name.ends_with('/')
        || name.contains("//")
        || name.contains(|c: char| c < ' ' || c == '\x7f' || c == '\\')
        || name.split('/').any(|part| part.len() > 250);
    if bad {
        return Err(Answer::no(400, "bad_request", "that is no name for a file"));
    }
    Ok(())
}

fn upload(id: &str, request: &Request, service: &Mutex<Service>) -> Result<Value, Answer> {
    let of = service.lock().unwrap().enter(id, request.header("authorization"))?;
    let done = store(&of, request, service);
    service.lock().unwrap().leave(id);
    done
}

fn store(of: &str, request: &Request, service: &Mutex<Service>) -> Result<Value, Answer> {
    let digest = sha1(&request.body);
    if digest != request.header("x-bz-content-sha1") {
        return Err(Answer::no(400, "bad_request", "Sha1 did not match data received"));
    }
    let mut service = service.lock().unwrap();
    if of.starts_with("large_") {
        let number = request.header("x-bz-part-number").parse().unwrap_or(0);
        return service.add_part(of, number, request.body.clone(), digest);
    }
    let name = unescape(request.header("x-bz-file-name"));
    let name = name.ok_or_else(|| Answer::no(400, "bad_request", "the name is not UTF-8"))?;
    check_name(&name)?;
    Ok(service.add(of, &name, Some((request.body.clone(), digest))))
}

fn download(path: &str, request: &Request, service: &mut Service) -> Answer {
    if let Err(answer) = service.check_token(request.header("authorization")) {
        return answer;
    }
    let found = unescape(path).and_then(|path| {
        let (bucket, name) = path.split_once('/')?;
        let (bytes, digest) = service.content(bucket, name)?;
        Some(Answer::content(bytes, digest, request.header("range")))
    });
    found.unwrap_or_else(|| Answer::no(404, "not_found", "no such file"))
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}
