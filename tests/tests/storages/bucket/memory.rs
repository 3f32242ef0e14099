//! A bucket in memory, as strict as Amazon's description and a little more.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::objects::{Stretch, is_zeros, length, pieces};

/// How the bucket behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// Whether it wants a digest beside every body, as buckets do whose objects are locked by default.
    pub wants_digests: bool,
}

/// Everything that is in the one bucket.
#[derive(Default)]
pub struct Memory {
    manners: Manners,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
    made: u64,
    /// Bytes of the largest part.
    largest: u64,
}

/// How an object is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub class: String,
    pub mode: String,
    pub until: Option<Timestamp>,
}

struct Object {
    content: Vec<Stretch>,
    kept: Kept,
}

struct Upload {
    key: String,
    since: SystemTime,
    parts: BTreeMap<i32, (String, Stretch)>,
    kept: Kept,
}

impl Memory {
    pub fn new(manners: Manners) -> Arc<Self> {
        Arc::new(Self {
            manners,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// How the object is kept.
    pub fn kept(&self, key: &str) -> Kept {
        self.state().objects[key].kept.clone()
    }

    /// Uploads in parts that are not at their end.
    pub fn unfinished(&self) -> usize {
        self.state().uploads.len()
    }

    /// The keys of the same.
    pub fn uploads(&self) -> Vec<String> {
        self.state().uploads.values().map(|upload| upload.key.clone()).collect()
    }

    /// Bytes of the largest part up to now.
    pub fn largest_part(&self) -> u64 {
        self.state().largest
    }

    /// An upload that somebody began so long ago.
    pub fn begin(&self, key: &str, age: Duration) {
        let since = SystemTime::now() - age;
        let mut state = self.state();
        state.begin(key, since, Kept::default());
    }

    /// Whatever is locked is so no longer.
    pub fn time_passes(&self) {
        for object in self.state().objects.values_mut() {
            object.kept.until = None;
        }
    }
}

impl State {
    fn begin(&mut self, key: &str, since: SystemTime, kept: Kept) -> String {
        self.made += 1;
        let id = format!("upload+/{}", self.made);
        let upload = Upload {
            key: key.to_owned(),
            since,
            parts: BTreeMap::new(),
            kept,
        };
        self.uploads.insert(id.clone(), upload);
        id
    }

    fn object(&self, key: &str) -> S3Result<&Object> {
        self.objects.get(key).ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Fails where the object is locked: stricter than Amazon, where a new version hides the old one.
    fn check_lock(&self, key: &str) -> S3Result<()> {
        let until = self.objects.get(key).and_then(|object| object.kept.until.as_ref());
        if until.is_some_and(|until| *until > now()) {
            return Err(s3_error!(
                AccessDenied,
                "Access Denied because object protected by object lock."
            ));
        }
        Ok(())
    }

    fn store(&mut self, key: &str, object: Object, condition: Option<&ETagCondition>) -> S3Result<()> {
        if condition.is_some() && self.objects.contains_key(key) {
            return Err(s3_error!(PreconditionFailed));
        }
        self.check_lock(key)?;
        self.objects.insert(key.to_owned(), object);
        Ok(())
    }
}

/// A lock without both its halves, or in the past, or where no digest came with it, is refused.
fn kept(class: Option<StorageClass>, mode: Option<ObjectLockMode>, until: Option<Timestamp>) -> S3Result<Kept> {
    let mode = mode.map_or_else(String::new, |mode| mode.as_str().to_owned());
    if mode.is_empty() != until.is_none() || until.as_ref().is_some_and(|until| *until < now()) {
        return Err(s3_error!(InvalidArgument, "The lock is not complete"));
    }
    let class = class.map_or_else(String::new, |class| class.as_str().to_owned());
    Ok(Kept { class, mode, until })
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The bytes of a body; `None` when they are nothing but zeros.
async fn received(body: Option<StreamingBlob>) -> S3Result<Stretch> {
    let Some(mut body) = body else {
        return Ok(Stretch::of(Vec::new()));
    };
    let (mut length, mut bytes) = (0, Vec::new());
    while let Some(piece) = std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
        let piece: Bytes = piece.map_err(|_| s3_error!(IncompleteBody))?;
        if bytes.is_empty() && is_zeros(&piece) {
            length += piece.len() as u64;
            continue;
        }
        bytes.resize(usize::try_from(length).unwrap(), 0);
        bytes.extend_from_slice(&piece);
        length = bytes.len() as u64;
    }
    if bytes.is_empty() {
        return Ok(Stretch::zeros(length));
    }
    Ok(Stretch::of(bytes))
}

/// The server's hands.
pub struct Keeper(pub Arc<Memory>);

impl Keeper {
    fn check_digest(&self, digest: Option<&String>, locked: bool) -> S3Result<()> {
        if digest.is_none() && (locked || self.0.manners.wants_digests) {
            return Err(s3_error!(
                InvalidRequest,
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
            ));
        }
        Ok(())
    }
}

fn tag(number: i32, length: u64) -> String {
    format!("{number:08x}{length:024x}")
}

#[async_trait::async_trait]
impl S3 for Keeper {
    async fn head_bucket(&self, _request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        _request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let (prefix, most) = (
            input.prefix.unwrap_or_default(),
            input.max_keys.unwrap_or(1000).min(1000),
        );
        let after = input.continuation_token.unwrap_or_default();
        let state = self.0.state();
        let all = state
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && **key > after);
        let most = usize::try_from(most).unwrap_or(0);
        let found: Vec<_> = all
            .take(most + 1)
            .map(|(key, object)| (key.clone(), length(&object.content)))
            .collect();
        let more = found.len() > most;
        let found = &found[..found.len().min(most)];
        let contents = found.iter().map(|(key, size)| s3s::dto::Object {
            key: Some(key.clone()),
            size: i64::try_from(*size).ok(),
            last_modified: Some(now()),
            e_tag: Some(ETag::Strong(tag(0, *size))),
            ..Default::default()
        });
        let output = ListObjectsV2Output {
            contents: Some(contents.collect()),
            is_truncated: Some(more),
            next_continuation_token: found.last().filter(|_| more).map(|(key, _)| key.clone()),
            prefix: Some(prefix),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let state = self.0.state();
        let object = state.object(&request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(length(&object.content)).ok(),
            last_modified: Some(now()),
            e_tag: Some(ETag::Strong(tag(0, length(&object.content)))),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let state = self.0.state();
        let object = state.object(&request.input.key)?;
        let total = length(&object.content);
        let range = match request.input.range {
            Some(range) => range.check(total)?,
            None => 0..total,
        };
        let pieces = pieces(&object.content, range.start, range.end);
        let stream = futures_util::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let part = request.input.range.is_some();
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(stream)),
            content_length: i64::try_from(range.end - range.start).ok(),
            last_modified: Some(now()),
            e_tag: Some(ETag::Strong(tag(0, total))),
            content_range: part.then(|| format!("bytes {}-{}/{total}", range.start, range.end - 1)),
            ..Default::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let kept = kept(
            input.storage_class,
            input.object_lock_mode,
            input.object_lock_retain_until_date,
        )?;
        self.check_digest(input.content_md5.as_ref(), kept.until.is_some())?;
        let content = vec![received(input.body).await?];
        let object = Object { content, kept };
        self.0.state().store(&input.key, object, input.if_none_match.as_ref())?;
        Ok(S3Response::new(PutObjectOutput::default()))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let mut state = self.0.state();
        state.check_lock(&request.input.key)?;
        state.objects.remove(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let kept = kept(
            input.storage_class,
            input.object_lock_mode,
            input.object_lock_retain_until_date,
        )?;
        let id = self.0.state().begin(&input.key, SystemTime::now(), kept);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let stretch = received(input.body).await?;
        let mut state = self.0.state();
        state.largest = state.largest.max(stretch.length);
        let upload = state.uploads.get_mut(&input.upload_id);
        let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload))?;
        self.check_digest(input.content_md5.as_ref(), upload.kept.until.is_some())?;
        let tag = tag(input.part_number, stretch.length);
        upload.parts.insert(input.part_number, (tag.clone(), stretch));
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(tag)),
            ..Default::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let named = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let mut state = self.0.state();
        let upload = state
            .uploads
            .get(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut content = Vec::new();
        for part in named {
            let stored = upload.parts.get(&part.part_number.unwrap_or_default());
            let (tag, stretch) = stored.ok_or_else(|| s3_error!(InvalidPart))?;
            if part.e_tag.as_ref().map(|tag| tag.value()) != Some(tag) {
                return Err(s3_error!(InvalidPart));
            }
            content.push(stretch.clone());
        }
        let kept = upload.kept.clone();
        state.store(&input.key, Object { content, kept }, input.if_none_match.as_ref())?;
        state.uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput::default()))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let removed = self.0.state().uploads.remove(&request.input.upload_id);
        removed.ok_or_else(|| s3_error!(NoSuchUpload))?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let prefix = request.input.prefix.unwrap_or_default();
        let state = self.0.state();
        let found = state
            .uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(&prefix));
        let uploads = found.map(|(id, upload)| MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some(id.clone()),
            initiated: Some(upload.since.into()),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            ..Default::default()
        }))
    }
}
