//! How a closed call is answered: the same bytes whenever they are asked for.

use relynt_ledger::Receipt;

use crate::Gateway;
use crate::ports::{Answer, AnswerParts};

impl Gateway {
    /// How a closed call is answered, what of it has to be kept, and the body.
    pub(crate) fn answer(
        &self,
        receipt: &Receipt,
        tool_response: Option<&str>,
        request_id: &str,
    ) -> (Answer, Vec<u8>) {
        let format = self.answers.format();
        let rendered = self.answers.render(&AnswerParts {
            format,
            receipt,
            tool_response,
            tool_response_erased: false,
            request_id,
        });
        // What its receipt says can be rendered again; the rest is kept, sealed.
        let keep = rendered.http_status != 200 || tool_response.is_some();
        let answer = Answer {
            http_status: rendered.http_status,
            format,
            body: keep.then(|| rendered.body.clone()),
        };
        (answer, rendered.body)
    }

    /// The body of an answer: as it was kept, or rendered again from its receipt.
    pub(crate) fn body_of(
        &self,
        receipt: &Receipt,
        answer: &Answer,
        erased: bool,
        request_id: &str,
    ) -> Vec<u8> {
        answer.body.clone().unwrap_or_else(|| {
            self.answers
                .render(&AnswerParts {
                    format: answer.format,
                    receipt,
                    tool_response: None,
                    tool_response_erased: erased,
                    request_id,
                })
                .body
        })
    }
}
