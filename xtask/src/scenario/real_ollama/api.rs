//! Requests to Ollama's API from outside, as its clients make them.

use std::io::{BufRead, BufReader, Lines, Read};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use stick::digest::sha256_hex;
use ureq::Agent;
use ureq::http::Response;
use ureq::{Body, BodyReader};

use super::super::Context;

/// One request, from the first byte to the last, under emulation. The first to a model loads it.
const REQUEST: Duration = Duration::from_secs(180);

/// Ollama behind a forwarded port.
pub struct Api {
    agent: Agent,
    base: String,
}

impl Api {
    /// The server of the machine under test.
    ///
    /// # Errors
    /// The machine is off.
    pub fn of(cx: &mut Context) -> Result<Self> {
        let port = cx.machine.forwarded(cx.contract.ollama.port)?;
        Ok(Api::at(port))
    }

    /// The server at `port` of 127.0.0.1.
    pub fn at(port: u16) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(REQUEST))
            // What a server says about an error is in the body.
            .http_status_as_error(false)
            .build();
        Api {
            agent: config.new_agent(),
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// GETs `path`, which answers JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        let response = self.agent.get(self.url(path)).call()?;
        good(response, path)
    }

    /// POSTs `body`, and reads the answer, one JSON value.
    ///
    /// # Errors
    /// The server reports an error; its words are in the message.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        good(self.send(path, body)?, path)
    }

    /// POSTs `body`; the answer comes line by line, each line a JSON value.
    pub fn stream(&self, path: &str, body: &Value) -> Result<Stream> {
        let response = self.send(path, body)?;
        if !response.status().is_success() {
            good(response, path)?;
            bail!("{path}: an error without words");
        }
        Ok(Stream(
            BufReader::new(response.into_body().into_reader()).lines(),
        ))
    }

    fn send(&self, path: &str, body: &Value) -> Result<Response<Body>> {
        let request = self.agent.post(self.url(path));
        let request = request.header("Content-Type", "application/json");
        Ok(request.send(body.to_string())?)
    }

    /// Makes the model `name` out of a GGUF file, as `ollama create` does.
    pub fn create(&self, name: &str, file: &[u8]) -> Result<()> {
        let digest = format!("sha256:{}", sha256_hex(file));
        let path = format!("/api/blobs/{digest}");
        let response = self.agent.post(self.url(&path)).send(file)?;
        ensure!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        let body = json!({
            "model": name,
            "files": { "model.gguf": digest },
            // The prompt as it is, without the words of a chat.
            "template": "{{ .Prompt }}",
            "stream": false,
        });
        let made = self.post("/api/create", &body)?;
        ensure!(made["status"] == "success", "create: {made}");
        Ok(())
    }

    /// The answer to `prompt` at temperature 0, in one piece.
    pub fn generate(&self, model: &str, prompt: &str) -> Result<String> {
        let reply = self.post("/api/generate", &request(model, prompt, false))?;
        text(&reply, "response")
    }

    /// Has the server forget the model that is in memory; the next request loads it again.
    pub fn unload(&self, model: &str) -> Result<()> {
        let reply = self.post("/api/generate", &json!({ "model": model, "keep_alive": 0 }))?;
        ensure!(reply["done_reason"] == "unload", "unload: {reply}");
        Ok(())
    }

    /// As [`Api::generate`], streamed: the pieces.
    pub fn generate_streamed(&self, model: &str, prompt: &str) -> Result<Vec<String>> {
        let mut pieces = Vec::new();
        for line in self.stream("/api/generate", &request(model, prompt, true))? {
            let line = line?;
            pieces.push(text(&line, "response")?);
            if line["done"] == true {
                return Ok(pieces);
            }
        }
        bail!("the stream ended before the answer did: {pieces:?}")
    }
}

/// The body of a request for an answer that is always the same.
pub fn request(model: &str, prompt: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "prompt": prompt,
        "stream": stream,
        "options": { "temperature": 0 },
    })
}

/// The values of a streamed answer.
pub struct Stream(Lines<BufReader<BodyReader<'static>>>);

impl Iterator for Stream {
    type Item = Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.next()?;
        Some(line.map_err(Into::into).and_then(|line| {
            let value: Value =
                serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
            match value["error"].as_str() {
                Some(error) => bail!("{error}"),
                None => Ok(value),
            }
        }))
    }
}

fn good(response: Response<Body>, path: &str) -> Result<Value> {
    let status = response.status();
    let mut body = String::new();
    response
        .into_body()
        .into_reader()
        .read_to_string(&mut body)?;
    if !status.is_success() {
        let said = serde_json::from_str::<Value>(&body).unwrap_or_default();
        // OpenAI's way, or Ollama's own.
        let said = said["error"]["message"].as_str().or(said["error"].as_str());
        bail!("{path}: {status}: {}", said.unwrap_or(&body));
    }
    serde_json::from_str(&body).with_context(|| format!("{path}: not JSON: {body}"))
}

/// The text in a field of `value`.
pub fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field].as_str();
    Ok(text
        .with_context(|| format!("no {field} in {value}"))?
        .to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that gives one answer.
    fn answers(status: &'static str, body: &'static str) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut length = 0;
            for line in lines.by_ref().map_while(Result::ok) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let _ = length;
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
            // Read to the end, so that the client sees no reset.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        Api::at(port)
    }

    #[test]
    fn an_answer_is_read_whole_and_in_pieces() {
        let api = answers("200 OK", r#"{"response":"DEF","done":true}"#);
        assert_eq!(api.generate("m", "ABC").unwrap(), "DEF");
        let api = answers(
            "200 OK",
            "{\"response\":\"D\",\"done\":false}\n{\"response\":\"\",\"done\":true}\n",
        );
        assert_eq!(api.generate_streamed("m", "ABC").unwrap(), ["D", ""]);
    }

    #[test]
    fn errors_keep_the_servers_words() {
        let error = |status, body| {
            let api = answers(status, body);
            api.generate("m", "ABC").unwrap_err().to_string()
        };
        assert_eq!(
            error("404 Not Found", r#"{"error":"model 'm' not found"}"#),
            "/api/generate: 404 Not Found: model 'm' not found"
        );
        assert_eq!(
            error("400 Bad Request", r#"{"error":{"message":"no"}}"#),
            "/api/generate: 400 Bad Request: no"
        );
        assert!(error("200 OK", "garbage").contains("not JSON: garbage"));
        let api = answers(
            "200 OK",
            "{\"response\":\"D\",\"done\":false}\n{\"error\":\"killed\"}\n",
        );
        let error = api.generate_streamed("m", "ABC").unwrap_err();
        assert_eq!(error.to_string(), "killed");
        let api = answers("200 OK", "{\"response\":\"D\",\"done\":false}\n");
        let error = api.generate_streamed("m", "ABC").unwrap_err().to_string();
        assert!(error.starts_with("the stream ended before"), "{error}");
    }
}
