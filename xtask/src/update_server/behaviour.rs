//! What the server answers: decided from its behaviour and the request alone.

use super::http::{Method, Request};

/// How the server behaves. A name stands for the files whose names contain it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Healthy,
    /// Has no file of this name.
    NotFound(String),
    /// Closes the connection after so many bytes of the file.
    CutOff { name: String, bytes: u64 },
    /// Announces half of the file, and sends that.
    ShortLength { name: String },
    /// Announces [`MORE`] bytes more than the file has, and closes the connection at the file's end.
    LongLength { name: String },
    /// Sends so many bytes a second to each client; at 0, none until the server is stopped.
    Slow(u64),
    /// Answers every request with this status.
    Status(u16),
}

/// Bytes that [`Behaviour::LongLength`] announces but does not send.
pub const MORE: u64 = 1 << 20;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub status: u16,
    /// The `Content-Length`.
    pub announced: u64,
    /// Bytes of the file that are sent, from its start.
    pub sent: u64,
    /// Bytes a second; None: as fast as possible.
    pub rate: Option<u64>,
}

impl Behaviour {
    /// The answer to `request` for a file of `length` bytes. A `length` of None means that there is no such file.
    pub fn plan(&self, request: &Request, length: Option<u64>) -> Plan {
        let concerns = |name: &String| request.name.contains(name.as_str());
        let status = match (self, length, request.method) {
            (Behaviour::Status(status), ..) => *status,
            (_, _, Method::Other) => 405,
            (_, None, _) => 404,
            (Behaviour::NotFound(name), ..) if concerns(name) => 404,
            _ => 200,
        };
        let length = length.filter(|_| status == 200).unwrap_or(0);
        let (announced, sent) = match self {
            Behaviour::CutOff { name, bytes } if concerns(name) => (length, length.min(*bytes)),
            Behaviour::ShortLength { name } if concerns(name) => (length / 2, length / 2),
            Behaviour::LongLength { name } if concerns(name) && status == 200 => {
                (length + MORE, length)
            }
            _ => (length, length),
        };
        Plan {
            status,
            announced,
            sent: if request.method == Method::Get {
                sent
            } else {
                0
            },
            rate: match self {
                Behaviour::Slow(rate) => Some(*rate),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(behaviour: &Behaviour, method: Method, length: Option<u64>) -> Plan {
        let name = "ollamalive_1_x.store".to_string();
        behaviour.plan(&Request { method, name }, length)
    }

    /// Status, announced and sent bytes for GET of a file of 1000 bytes.
    fn got(behaviour: Behaviour) -> (u16, u64, u64) {
        let plan = planned(&behaviour, Method::Get, Some(1000));
        (plan.status, plan.announced, plan.sent)
    }

    #[test]
    fn each_behaviour_has_its_answer() {
        let store = || ".store".to_string();
        assert_eq!(got(Behaviour::Healthy), (200, 1000, 1000));
        assert_eq!(got(Behaviour::NotFound(store())), (404, 0, 0));
        assert_eq!(got(Behaviour::Status(503)), (503, 0, 0));
        let cut_off = |bytes| Behaviour::CutOff {
            name: store(),
            bytes,
        };
        assert_eq!(got(cut_off(10)), (200, 1000, 10));
        assert_eq!(got(cut_off(5000)), (200, 1000, 1000));
        let short = Behaviour::ShortLength { name: store() };
        assert_eq!(got(short), (200, 500, 500));
        let long = Behaviour::LongLength { name: store() };
        assert_eq!(got(long), (200, 1000 + MORE, 1000));
        let slow = planned(&Behaviour::Slow(7), Method::Get, Some(1000));
        assert_eq!((slow.sent, slow.rate), (1000, Some(7)));
    }

    #[test]
    fn other_files_are_left_alone() {
        let efi = || ".efi".to_string();
        for behaviour in [
            Behaviour::NotFound(efi()),
            Behaviour::CutOff {
                name: efi(),
                bytes: 1,
            },
            Behaviour::ShortLength { name: efi() },
            Behaviour::LongLength { name: efi() },
        ] {
            assert_eq!(got(behaviour), (200, 1000, 1000));
        }
    }

    #[test]
    fn head_has_the_length_and_no_content() {
        let head = planned(&Behaviour::Healthy, Method::Head, Some(1000));
        assert_eq!((head.status, head.announced, head.sent), (200, 1000, 0));
        let post = planned(&Behaviour::Healthy, Method::Other, Some(1000));
        assert_eq!((post.status, post.announced, post.sent), (405, 0, 0));
    }

    #[test]
    fn a_file_that_is_not_there_has_no_length_in_any_behaviour() {
        let name = String::new;
        for behaviour in [
            Behaviour::Healthy,
            Behaviour::LongLength { name: name() },
            Behaviour::Slow(1),
        ] {
            let plan = planned(&behaviour, Method::Get, None);
            assert_eq!((plan.status, plan.announced, plan.sent), (404, 0, 0));
        }
    }
}
