package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// An api is one of the three inference contracts.
type api string

const (
	chat      api = "chat"
	responses api = "responses"
	messages  api = "messages"
)

var paths = map[api]string{chat: "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages"}

// terminators prove that a stream told its own end.
var terminators = map[api][]byte{
	chat:      []byte("data: [DONE]"),
	responses: []byte(`"response.completed"`),
	messages:  []byte(`"message_stop"`),
}

// Every piece of generated text carries the time at which the mock sent it, as `t=` and 16 hexadecimal digits, so the
// client can count pieces and knows how long each was under way. Texts that repeat earlier ones have `t:` instead.
const (
	mark      = "t="
	quietMark = "t:"
	digits    = 16
)

// spec is what a client asks of the mock, inside its prompt, because a gateway passes prompts on as they are:
// `mock:events=250,interval=20000,text=256;`
type spec struct {
	events   int // pieces of text in a stream
	interval int // microseconds between pieces; 0: the whole answer at once
	text     int // bytes of text in a plain answer
	status   int // answer with this status instead
	cut      int // 1: end the connection in the middle of the answer
}

var defaults = spec{events: 16, text: 256}

func (s spec) String() string {
	return fmt.Sprintf("mock:events=%d,interval=%d,text=%d,status=%d,cut=%d;", s.events, s.interval, s.text, s.status, s.cut)
}

var specBegin = []byte("mock:")

// specOf finds the spec in a body as it stands there, and parses it.
func specOf(body []byte) (string, spec) {
	at := bytes.Index(body, specBegin)
	if at < 0 {
		return "", defaults
	}
	end := bytes.IndexByte(body[at:], ';')
	if end < 0 || end > 200 {
		return "", defaults
	}
	return string(body[at : at+end]), parseSpec(string(body[at+len(specBegin) : at+end]))
}

func parseSpec(text string) spec {
	found := defaults
	fields := map[string]*int{"events": &found.events, "interval": &found.interval, "text": &found.text,
		"status": &found.status, "cut": &found.cut}
	for _, pair := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		if field := fields[name]; field != nil {
			*field, _ = strconv.Atoi(value)
		}
	}
	return found
}

// piece is bytes of an answer with the places of its marks.
type piece struct {
	data  []byte
	marks []int // offsets of the digits
}

func pieceOf(data []byte) piece {
	p := piece{data: data}
	for from := 0; ; {
		at := bytes.Index(data[from:], []byte(mark+strings.Repeat("0", digits)))
		if at < 0 {
			return p
		}
		p.marks = append(p.marks, from+at+len(mark))
		from += at + len(mark) + digits
	}
}

// stamped appends the piece to buffer with the time in its marks.
func (p piece) stamped(buffer []byte, nanoseconds int64) []byte {
	begin := len(buffer)
	buffer = append(buffer, p.data...)
	for _, at := range p.marks {
		hex(buffer[begin+at:begin+at+digits], nanoseconds)
	}
	return buffer
}

func hex(into []byte, value int64) {
	for i := len(into) - 1; i >= 0; i-- {
		into[i] = "0123456789abcdef"[value&15]
		value >>= 4
	}
}

// answer is all that the mock sends: first at once, then one event per interval, then the end.
type answer struct {
	first, end piece
	event      []piece
	whole      piece
}

const (
	created     = 1760000000
	jsonHead    = "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
	sseHead     = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
	lastChunk   = "0\r\n\r\n"
	promptUsed  = 12
	streamToken = " token"
)

func plain(status int, body string) piece {
	return pieceOf(fmt.Appendf(nil, jsonHead, status, map[bool]string{true: "OK", false: "Error"}[status == 200], len(body), body))
}

func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

type object = map[string]any

// fields is a JSON object in the order in which providers write it: gateways may learn where a value stands.
type fields []any

func (f fields) MarshalJSON() ([]byte, error) {
	text := []byte("{")
	for i := 0; i < len(f); i += 2 {
		value, err := json.Marshal(f[i+1])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(fmt.Appendf(text, "%q:", f[i]), value...)
	}
	return append(text, '}'), nil
}

// answerOf builds what a request of this kind gets. Model names are the gateway's affair: the mock has one.
func answerOf(kind api, stream, usage bool, asked spec) *answer {
	if asked.status != 0 && asked.status != 200 {
		body := encode(object{"error": object{"message": "as asked", "type": "server_error", "code": "mock"}})
		return &answer{whole: plain(asked.status, body)}
	}
	if !stream {
		return &answer{whole: plain(200, encode(plainBody(kind, asked.text)))}
	}
	begin, events, end := streamBody(kind, asked.events, usage)
	found := &answer{first: pieceOf([]byte(sseHead + begin)), end: pieceOf([]byte(end + lastChunk))}
	for _, event := range events {
		found.event = append(found.event, pieceOf([]byte(event)))
	}
	found.whole = pieceOf([]byte(sseHead + begin + strings.Join(events, "") + end + lastChunk))
	return found
}

func text(size int) string {
	return mark + strings.Repeat("0", digits) + strings.Repeat(" lorem", max(0, size-digits-len(mark))/6)
}

func plainBody(kind api, size int) fields {
	switch kind {
	case responses:
		return responseObject("completed", text(size), size/6)
	case messages:
		return fields{"id", "msg_bench", "type", "message", "role", "assistant", "model", "bench",
			"content", []fields{{"type", "text", "text", text(size)}},
			"stop_reason", "end_turn", "stop_sequence", nil,
			"usage", fields{"input_tokens", promptUsed, "output_tokens", size / 6}}
	default:
		return fields{"id", "chatcmpl-bench", "object", "chat.completion", "created", created, "model", "bench",
			"choices", []fields{{"index", 0, "message", fields{"role", "assistant", "content", text(size)},
				"logprobs", nil, "finish_reason", "stop"}},
			"usage", chatUsage(size / 6)}
	}
}

func chatUsage(tokens int) fields {
	return fields{"prompt_tokens", promptUsed, "completion_tokens", tokens, "total_tokens", promptUsed + tokens}
}

func responseObject(status, content string, tokens int) fields {
	output, usage := []fields{}, any(nil)
	if status == "completed" {
		output = append(output, messageItem(status, content))
		usage = fields{"input_tokens", promptUsed, "input_tokens_details", fields{"cached_tokens", 0},
			"output_tokens", tokens, "output_tokens_details", fields{"reasoning_tokens", 0}, "total_tokens", promptUsed + tokens}
	}
	return fields{"id", "resp_bench", "object", "response", "created_at", created, "status", status, "error", nil,
		"incomplete_details", nil, "instructions", nil, "metadata", fields{}, "model", "bench", "output", output,
		"parallel_tool_calls", true, "temperature", 1.0, "tool_choice", "auto", "tools", []fields{}, "top_p", 1.0,
		"store", false, "usage", usage}
}

func messageItem(status, content string) fields {
	parts := []fields{}
	if status == "completed" {
		parts = append(parts, textPart(content))
	}
	return fields{"id", "msg_bench", "type", "message", "status", status, "role", "assistant", "content", parts}
}

func textPart(content string) fields {
	return fields{"type", "output_text", "annotations", []fields{}, "logprobs", []fields{}, "text", content}
}
