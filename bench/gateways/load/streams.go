package main

import (
	"fmt"
	"strings"
)

// streamBody gives the chunked bytes of a stream: its beginning, one entry per piece of text, its end.
func streamBody(kind api, count int, usage bool) (begin string, events []string, end string) {
	switch kind {
	case responses:
		return responsesStream(count)
	case messages:
		return messagesStream(count)
	default:
		return chatStream(count, usage)
	}
}

func chunk(event string) string {
	return fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
}

func repeat(event string, count int) []string {
	events := make([]string, count)
	for i := range events {
		events[i] = event
	}
	return events
}

func chatStream(count int, usage bool) (string, []string, string) {
	event := func(choices []fields, more ...any) string {
		whole := fields{"id", "chatcmpl-bench", "object", "chat.completion.chunk", "created", created,
			"model", "bench", "choices", choices}
		return chunk("data: " + encode(append(whole, more...)) + "\n\n")
	}
	choice := func(delta fields, finish any) []fields {
		return []fields{{"index", 0, "delta", delta, "logprobs", nil, "finish_reason", finish}}
	}
	begin := event(choice(fields{"role", "assistant", "content", ""}, nil))
	end := event(choice(fields{}, "stop"))
	if usage {
		end += event([]fields{}, "usage", chatUsage(count))
	}
	delta := event(choice(fields{"content", text(0) + streamToken}, nil))
	return begin, repeat(delta, count), end + chunk("data: [DONE]\n\n")
}

func named(kind string, rest ...any) string {
	return chunk(fmt.Sprintf("event: %s\ndata: %s\n\n", kind, encode(append(fields{"type", kind}, rest...))))
}

func messagesStream(count int) (string, []string, string) {
	begin := named("message_start", "message", fields{"id", "msg_bench", "type", "message",
		"role", "assistant", "model", "bench", "content", []fields{}, "stop_reason", nil, "stop_sequence", nil,
		"usage", fields{"input_tokens", promptUsed, "output_tokens", 1}})
	begin += named("content_block_start", "index", 0, "content_block", fields{"type", "text", "text", ""})
	delta := named("content_block_delta", "index", 0, "delta", fields{"type", "text_delta", "text", text(0) + streamToken})
	end := named("content_block_stop", "index", 0)
	end += named("message_delta", "delta", fields{"stop_reason", "end_turn", "stop_sequence", nil},
		"usage", fields{"output_tokens", count})
	return begin, repeat(delta, count), end + named("message_stop")
}

func responsesStream(count int) (string, []string, string) {
	sequence := -1
	event := func(kind string, rest ...any) string {
		sequence++
		return named(kind, append([]any{"sequence_number", sequence}, rest...)...)
	}
	place := []any{"item_id", "msg_bench", "output_index", 0, "content_index", 0}
	at := func(rest ...any) []any { return append(append([]any{}, place...), rest...) }
	begin := event("response.created", "response", responseObject("in_progress", "", 0))
	begin += event("response.in_progress", "response", responseObject("in_progress", "", 0))
	begin += event("response.output_item.added", "output_index", 0, "item", messageItem("in_progress", ""))
	begin += event("response.content_part.added", at("part", textPart(""))...)
	var events []string
	for range count {
		events = append(events, event("response.output_text.delta", at("delta", text(0)+streamToken, "logprobs", []fields{})...))
	}
	whole := strings.ReplaceAll(strings.Repeat(text(0)+streamToken, count), mark, quietMark)
	end := event("response.output_text.done", at("text", whole, "logprobs", []fields{})...)
	end += event("response.content_part.done", at("part", textPart(whole))...)
	end += event("response.output_item.done", "output_index", 0, "item", messageItem("completed", whole))
	return begin, events, end + event("response.completed", "response", responseObject("completed", whole, count))
}
