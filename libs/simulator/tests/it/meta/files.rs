//! Files of either side.

use super::*;

#[tokio::test]
async fn a_file_is_looked_up_and_then_downloaded() {
    let (meta, base, hands) = start(|_| {}).await;
    let content = "ogg ogg".as_bytes();
    let id = meta.add_media("audio/ogg; codecs=opus", content);
    let look_up = async |path: &str| {
        let request = client().get(format!("{base}/v23.0/{path}")).bearer_auth("token");
        told(request.send().await.expect("an answer")).await
    };
    let (_, _, found) = look_up(&id).await;
    assert_eq!(
        (found["mime_type"].as_str(), found["file_size"].as_u64(), found["id"].as_str()),
        (Some("audio/ogg; codecs=opus"), Some(7), Some(id.as_str()))
    );
    assert_eq!(found["sha256"], hex::encode(Sha256::digest(content)));
    assert_eq!(found["messaging_product"], "whatsapp");
    assert_eq!(look_up(&format!("{id}?phone_number_id={NUMBER}")).await.1, 0);
    assert_eq!(look_up(&format!("{id}?phone_number_id=1")).await.1, 100);
    assert_eq!(look_up("1").await.2["error"]["error_subcode"], 33);
    assert_eq!(client().get(format!("{base}/v23.0/{id}")).send().await.expect("an answer").status(), 401);

    let url = found["url"].as_str().expect("a URL").to_owned();
    assert!(url.starts_with(&format!("{base}/whatsapp_business/attachments/?mid={id}&")), "{url}");
    let get = async |url: &str, token: &str, agent: &str| {
        let request = client().get(url).bearer_auth(token).header("user-agent", agent);
        let answer = request.send().await.expect("an answer");
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        (answer.status().as_u16(), kind, answer.bytes().await.expect("a body").to_vec())
    };
    let whole = (200, Some("audio/ogg; codecs=opus".to_owned()), content.to_vec());
    assert_eq!(get(&url, "token", "business/1").await, whole);
    assert_eq!(get(&url, "other", "business/1").await.0, 401);
    assert_eq!(get(&url, "token", "").await.0, 400);
    assert_eq!(get(&url.replace("ext=1", "ext=2"), "token", "business/1").await.0, 404);
    hands.on(299);
    assert_eq!(get(&url, "token", "business/1").await, whole);
    hands.on(1);
    assert_eq!(get(&url, "token", "business/1").await.0, 404);
    let fresh = look_up(&id).await.2["url"].as_str().expect("a URL").to_owned();
    meta.faults().next("GET file", Fault::Status { status: 503, retry_after: None });
    assert_eq!(get(&fresh, "token", "business/1").await.0, 503);
    assert_eq!(get(&fresh, "token", "business/1").await, whole);
    meta.expire_media_urls();
    assert_eq!(get(&fresh, "token", "business/1").await.0, 404);
    assert_eq!(meta.media_reads(), 3);
    meta.faults().next("GET media", Fault::Status { status: 500, retry_after: None });
    assert_eq!(look_up(&id).await.0, 500);
    meta.spoil_media(&id);
    assert_ne!(look_up(&id).await.2["sha256"], hex::encode(Sha256::digest(content)));
    hands.on(7 * 24 * 3600);
    assert_eq!(look_up(&id).await.1, 100, "files of persons live 7 days");
}

/// The body of an upload: what stands in each part besides its end.
fn parts(parts: &[(&str, &str)]) -> String {
    let parts = parts
        .iter()
        .map(|(head, content)| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"));
    parts.collect::<String>() + "--b--\r\n"
}

#[tokio::test]
async fn an_uploaded_file_can_be_sent_and_deleted() {
    let (meta, base, _) = start(|_| {}).await;
    meta.say(ANA, Said::text("hi"));
    let upload = async |list: &[(&str, &str)]| {
        let request = client().post(format!("{base}/v23.0/{NUMBER}/media")).bearer_auth("token");
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(parts(list));
        told(request.send().await.expect("an answer")).await
    };
    let product = ("name=\"messaging_product\"", "whatsapp");
    let kind = ("name=\"type\"", "image/png");
    let file = ("name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png", "png");
    let large = "x".repeat((5 << 20) + 1);
    let large = ("name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png", large.as_str());
    let gif = ("name=\"file\"; filename=\"a.gif\"\r\nContent-Type: image/gif", "gif");
    assert_eq!(upload(&[kind, file]).await.1, 100);
    assert_eq!(upload(&[product, file]).await.1, 131_008);
    assert_eq!(upload(&[product, kind]).await.1, 131_008);
    assert_eq!(upload(&[product, kind, gif]).await.1, 100);
    assert_eq!(upload(&[product, ("name=\"type\"", "image/gif"), gif]).await.1, 100);
    assert_eq!(upload(&[product, kind, large]).await.1, 100);
    let (_, _, answer) = upload(&[product, kind, file]).await;
    let id = answer["id"].as_str().expect("an id").to_owned();
    assert_eq!(meta.media(&id), Some(("image/png".to_owned(), b"png".to_vec())));
    let picture = message("image", json!({"id": id, "caption": "Here"}));
    assert_eq!(told(send(&base, &picture).await).await.1, 0);
    let chat = meta.chat(ANA);
    let bubble = chat.last_answer().expect("a picture");
    assert_eq!((bubble.text.as_str(), &bubble.kind), ("Here", &Kind::Other { what: "image".to_owned() }));
    let delete = client().delete(format!("{base}/v23.0/{id}")).bearer_auth("token");
    assert_eq!(told(delete.send().await.expect("an answer")).await.2, json!({"success": true}));
    assert_eq!(told(send(&base, &picture).await).await.1, 131_009);
}
