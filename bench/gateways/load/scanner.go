package main

import "bytes"

// scanner finds the marks in the text of one answer, however it is cut, and keeps the answer's last part.
type scanner struct {
	kept    []byte
	scanned int
	count   int
	found   []int64
}

const keptBytes = 8192

func (s *scanner) reset() { s.kept, s.scanned, s.count, s.found = s.kept[:0], 0, 0, s.found[:0] }

func (s *scanner) take(part []byte) {
	if len(s.kept) > 4*keptBytes {
		cut := min(s.scanned, len(s.kept)-keptBytes)
		s.kept = s.kept[:copy(s.kept, s.kept[cut:])]
		s.scanned -= cut
	}
	s.kept = append(s.kept, part...)
	for {
		at := bytes.Index(s.kept[s.scanned:], []byte(mark))
		if at < 0 {
			s.scanned = max(s.scanned, len(s.kept)-len(mark)+1)
			return
		}
		at += s.scanned
		if len(s.kept) < at+len(mark)+digits {
			s.scanned = at
			return
		}
		if value, ok := unhex(s.kept[at+len(mark) : at+len(mark)+digits]); ok {
			s.count++
			s.found = append(s.found, value)
			s.scanned = at + len(mark) + digits
		} else {
			s.scanned = at + len(mark)
		}
	}
}

// takeNew gives the times of the marks since the last call.
func (s *scanner) takeNew() []int64 {
	found := s.found
	s.found = s.found[:0]
	return found
}

// last is the end of what came: enough for terminators and error messages.
func (s *scanner) last() []byte { return s.kept[max(0, len(s.kept)-keptBytes):] }

func unhex(text []byte) (value int64, ok bool) {
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			value = value<<4 | int64(c-'0')
		case 'a' <= c && c <= 'f':
			value = value<<4 | int64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return value, true
}
