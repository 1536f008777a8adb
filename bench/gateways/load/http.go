package main

import (
	"bytes"
	"errors"
	"strconv"
)

var (
	headEnd = []byte("\r\n\r\n")
	lineEnd = []byte("\r\n")
	errBad  = errors.New("not HTTP/1.1 as this program reads it")
)

// field gives a header's value; name in lower case. Heads are short, so they are searched anew each time.
func field(head []byte, name string) []byte {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, lineEnd)
		if len(line) > len(name) && line[len(name)] == ':' && equalFold(line[:len(name)], name) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
		head = rest
	}
	return nil
}

func equalFold(line []byte, lower string) bool {
	for i := range line {
		c := line[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// request is one request as the mock reads it; slices point into the connection's buffer.
type request struct {
	method, path, head, body []byte
}

// readRequest finds a whole request at the beginning of data. size 0: more bytes are needed.
func readRequest(data []byte) (found request, size int, err error) {
	at := bytes.Index(data, headEnd)
	if at < 0 {
		return found, 0, nil
	}
	found.head, size = data[:at], at+len(headEnd)
	line, _, _ := bytes.Cut(found.head, lineEnd)
	words := bytes.SplitN(line, []byte(" "), 3)
	if len(words) != 3 {
		return found, 0, errBad
	}
	found.method, found.path = words[0], words[1]
	if length := field(found.head, "content-length"); length != nil {
		n, err := strconv.Atoi(string(length))
		if err != nil || n < 0 {
			return found, 0, errBad
		}
		if len(data) < size+n {
			return found, 0, nil
		}
		found.body = data[size : size+n]
		return found, size + n, nil
	}
	if field(found.head, "transfer-encoding") != nil {
		return readChunked(found, data, size)
	}
	return found, size, nil
}

// readChunked leaves the body as it came, frames and all: the mock only searches in it.
func readChunked(found request, data []byte, begin int) (request, int, error) {
	at := begin
	for {
		line := bytes.Index(data[at:], lineEnd)
		if line < 0 {
			return found, 0, nil
		}
		size, err := strconv.ParseInt(string(data[at:at+line]), 16, 32)
		if err != nil {
			return found, 0, errBad
		}
		at += line + len(lineEnd) + int(size) + len(lineEnd)
		if at > len(data) {
			return found, 0, nil
		}
		if size == 0 {
			found.body = data[begin:at]
			return found, at, nil
		}
	}
}

type phase int

const (
	inHead phase = iota
	inLength
	inChunkSize
	inChunk
	inChunkEnd
	inLastChunk
	untilClose
	complete
)

// response reads one answer piece by piece. What belongs to the body goes to `take`.
type response struct {
	phase  phase
	status int
	left   int
	line   []byte // head or chunk-size line that is not whole yet
}

func (r *response) reset() { r.phase, r.status, r.left, r.line = inHead, 0, 0, r.line[:0] }

// feed reads data, and returns what is left after the answer's end.
func (r *response) feed(data []byte, take func([]byte)) ([]byte, error) {
	for len(data) > 0 && r.phase != complete {
		var err error
		switch r.phase {
		case inHead:
			data, err = r.readHead(data)
		case inLength, inChunk:
			n := min(r.left, len(data))
			take(data[:n])
			data, r.left = data[n:], r.left-n
			if r.left == 0 {
				r.phase, r.left = map[bool]phase{true: complete, false: inChunkEnd}[r.phase == inLength], len(lineEnd)
			}
		case inChunkEnd, inLastChunk:
			n := min(r.left, len(data))
			data, r.left = data[n:], r.left-n
			if r.left == 0 {
				r.phase = map[bool]phase{true: inChunkSize, false: complete}[r.phase == inChunkEnd]
			}
		case inChunkSize:
			data, err = r.readChunkSize(data)
		case untilClose:
			take(data)
			data = nil
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (r *response) readHead(data []byte) ([]byte, error) {
	head, rest := data, []byte(nil)
	if len(r.line) == 0 {
		at := bytes.Index(data, headEnd)
		if at < 0 {
			r.line = append(r.line, data...)
			return nil, nil
		}
		head, rest = data[:at], data[at+len(headEnd):]
	} else {
		before := len(r.line)
		r.line = append(r.line, data...)
		at := bytes.Index(r.line, headEnd)
		if at < 0 {
			return nil, nil
		}
		head, rest = r.line[:at], data[at+len(headEnd)-before:]
	}
	err := r.begin(head)
	r.line = r.line[:0]
	return rest, err
}

func (r *response) begin(head []byte) error {
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		return errBad
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return errBad
	}
	r.status = status
	if length := field(head, "content-length"); length != nil {
		if r.left, err = strconv.Atoi(string(length)); err != nil {
			return errBad
		}
		r.phase = inLength
		if r.left == 0 {
			r.phase = complete
		}
		return nil
	}
	r.phase = untilClose
	if field(head, "transfer-encoding") != nil {
		r.phase = inChunkSize
	}
	return nil
}

func (r *response) readChunkSize(data []byte) ([]byte, error) {
	at := bytes.IndexByte(data, '\n')
	if at < 0 {
		r.line = append(r.line, data...)
		return nil, nil
	}
	line := data[:at]
	if len(r.line) > 0 {
		line = append(r.line, line...)
	}
	size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
	r.line = r.line[:0]
	if err != nil {
		return nil, errBad
	}
	r.left, r.phase = int(size), inChunk
	if size == 0 {
		r.left, r.phase = len(lineEnd), inLastChunk // trailers are dropped by every gateway here
	}
	return data[at+1:], nil
}
