//! Putting frames together and taking them apart.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use rex_ipc::batch::{Call, CallWriter, ReplyReader, ReplyWriter};
use rex_ipc::bounded::Bytes;
use rex_ipc::file_system::Chunk;
use rex_ipc::frame::{Header, Kind};
use rex_ipc::limits::{HEADER_BYTES, MAX_CHUNK_BYTES, MAX_FRAME_BYTES};

use crate::serving::{write_cat, write_closes};

pub(crate) fn benches(criterion: &mut Criterion) {
    calls(criterion);
    chunks(criterion);
}

/// What `cat` sends: two closes of the call before, and three requests.
fn calls(criterion: &mut Criterion) {
    let mut frame = vec![0; MAX_FRAME_BYTES];
    let mut group = criterion.benchmark_group("frame of a cat call");
    group.bench_function("encode", |bencher| bencher.iter(|| call(black_box(&mut frame))));
    let length = call(&mut frame);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let (_, body) = Header::split(black_box(&frame[..length])).expect("the frame is well formed");
            Call::decode(body).expect("the call is well formed")
        });
    });
    group.finish();
}

fn call(frame: &mut [u8]) -> usize {
    let mut writer = CallWriter::new(1, &mut frame[HEADER_BYTES..]).expect("a frame has room for a call");
    write_closes(&mut writer, 1);
    write_cat(&mut writer, 3, "/srv/app0/log", "today");
    let body_bytes = writer.finish().expect("a frame has room for a call");
    Header::finish(Kind::Call, 1, body_bytes, frame).expect("a frame has room for a call")
}

/// What a read answers, at its largest.
fn chunks(criterion: &mut Criterion) {
    let chunk = Chunk {
        bytes: Bytes::new(vec![b'x'; MAX_CHUNK_BYTES]).expect("the length is the limit"),
        end: false,
    };
    let mut body = vec![0; MAX_FRAME_BYTES];
    let mut group = criterion.benchmark_group("frame of a 60 KiB chunk");
    group.throughput(Throughput::Bytes(MAX_CHUNK_BYTES as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| reply(black_box(&chunk), &mut body)));
    let length = reply(&chunk, &mut body);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut reader = ReplyReader::new(black_box(&body[..length])).expect("the reply is well formed");
            reader.take::<Chunk>().expect("the reply holds a chunk")
        });
    });
    group.finish();
}

fn reply(chunk: &Chunk, body: &mut [u8]) -> usize {
    let mut writer = ReplyWriter::new(body);
    writer.push(chunk).expect("a frame has room for a chunk");
    writer.finish(None).expect("a frame has room for a chunk")
}
