//! Files of either side.

use super::*;

#[tokio::test]
async fn files_are_fetched_by_path_until_it_expires() {
    let bot = Bot::greeted(|_| {}).await;
    let file = bot.telegram.add_media("audio/ogg", b"ogg");
    bot.heard().await;
    bot.say(ANA, Said::Voice { file: file.clone(), duration: 2, caption: None });
    let voice = bot.heard().await[0]["message"]["voice"].clone();
    let id = voice["file_id"].clone();
    let found = bot.ok("getFile", json!({"file_id": id})).await;
    assert_eq!((&found["file_unique_id"], &found["file_size"]), (&voice["file_unique_id"], &json!(3)));
    let path = found["file_path"].as_str().expect("a path").to_owned();
    let get = async |path: &str| {
        let response = client().get(format!("{}/file/bot{TOKEN}/{path}", bot.base)).send().await.expect("an answer");
        (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
    };
    assert_eq!(get(&path).await, (200, b"ogg".to_vec()));
    assert_eq!(get("voice/file_99.oga").await.0, 404);
    bot.telegram.faults().next("GET file", Fault::Status { status: 503, retry_after: None });
    assert_eq!(get(&path).await.0, 503);
    bot.telegram.expire_file_paths();
    assert_eq!(get(&path).await.0, 404);
    let again = bot.ok("getFile", json!({"file_id": id})).await["file_path"].as_str().expect("a path").to_owned();
    assert_ne!(again, path);
    assert_eq!(get(&again).await.0, 200);
    assert_eq!(bot.telegram.media_reads(), 2);
    let largest = bot.telegram.add_sized_media("video/mp4", 20 * 1024 * 1024);
    bot.ok("getFile", json!({"file_id": largest})).await;
    let larger = bot.telegram.add_sized_media("video/mp4", 20 * 1024 * 1024 + 1);
    assert_eq!(bot.refused("getFile", json!({"file_id": larger})).await.1, "Bad Request: file is too big");
    bot.telegram.drop_media();
    assert_eq!(bot.refused("getFile", json!({"file_id": id})).await.1, "Bad Request: invalid file_id");
}

#[tokio::test]
async fn a_file_can_come_with_the_call() {
    let bot = Bot::greeted(|_| {}).await;
    let part = |name: &str, rest: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n");
    let body = format!(
        "{}\r\n{ANA}\r\n{}\r\nattach://f1\r\n{}Content-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n",
        part("chat_id", ""),
        part("document", ""),
        part("f1", "; filename=\"a.pdf\""),
    );
    let request = client().post(format!("{}/bot{TOKEN}/sendDocument", bot.base));
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["result"]["document"]["file_name"], "a.pdf", "{answer}");
    let sent = bot.telegram.sends().pop().expect("a send");
    assert_eq!(
        (sent.files[0].media_type.as_str(), sent.files[0].content.as_slice()),
        ("application/pdf", b"%PDF".as_slice())
    );
    assert!(matches!(&bot.telegram.chat(ANA).bubbles[1].kind, Kind::Other { what } if what == "document"));
    assert_eq!(bot.telegram.oddities(), Vec::<String>::new());
    // The platform knows it from now on.
    let again = json!({"chat_id": ANA, "document": answer["result"]["document"]["file_id"]});
    bot.ok("sendDocument", again).await;
}
