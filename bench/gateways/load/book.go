package main

import (
	"bytes"
	"strings"
)

// book remembers built answers, so that a request costs a look-up.
type book struct {
	answers map[string]*answer
	key     []byte
}

var (
	streamYes = [][]byte{[]byte(`"stream":true`), []byte(`"stream": true`)}
	usageYes  = [][]byte{[]byte(`"include_usage":true`), []byte(`"include_usage": true`)}
	kinds     = []api{chat, responses, messages}
)

func containsAny(body []byte, words [][]byte) bool {
	for _, word := range words {
		if bytes.Contains(body, word) {
			return true
		}
	}
	return false
}

func flagByte(yes bool) byte { return map[bool]byte{true: '1', false: '0'}[yes] }

// find gives the answer to a request and what it asked for; nil for a path that is none of the three.
func (b *book) find(asked request) (*answer, spec) {
	var kind api
	for _, one := range kinds {
		if strings.HasSuffix(paths[one], lastWord(asked.path)) {
			kind = one
		}
	}
	if kind == "" || string(asked.method) != "POST" {
		return nil, spec{}
	}
	text, wanted := specOf(asked.body)
	stream, usage := containsAny(asked.body, streamYes), containsAny(asked.body, usageYes)
	b.key = append(append(append(b.key[:0], kind...), flagByte(stream), flagByte(usage)), text...)
	found := b.answers[string(b.key)]
	if found == nil {
		found = answerOf(kind, stream, usage, wanted)
		b.answers[string(b.key)] = found
	}
	if !stream {
		wanted.interval = 0
	}
	return found, wanted
}

func lastWord(path []byte) string {
	path, _, _ = bytes.Cut(path, []byte("?"))
	return string(path[bytes.LastIndexByte(path, '/')+1:])
}

// other answers what is no inference: model lists and health, as vLLM and SGLang have them.
func other(asked request) piece {
	path, _, _ := bytes.Cut(asked.path, []byte("?"))
	switch {
	case bytes.HasSuffix(path, []byte("/models")):
		model := object{"id": "bench", "object": "model", "created": created, "owned_by": "bench"}
		return plain(200, encode(object{"object": "list", "data": []object{model}}))
	case string(asked.method) == "GET":
		return plain(200, encode(object{"status": "ok", "model_path": "bench", "tokenizer_path": "bench",
			"served_model_name": "bench", "is_generation": true, "tp_size": 1, "dp_size": 1, "version": "0.5.0"}))
	default:
		return plain(404, encode(object{"error": object{"message": "the mock does not serve this path"}}))
	}
}
