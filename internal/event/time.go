// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package event

import "time"

// parseTime parses a date and time of ISO 8601 as programs write it, in the extended format:
//
//	date      = YYYY "-" MM "-" DD
//	time      = hh ":" mm [":" ss [("." / ",") 1*digit]]
//	offset    = "Z" / "z" / ("+" / "-") hh [[":"] mm]
//	date-time = date ("T" / "t" / " ") time [offset]
//
// Without an offset it is UTC. 24:00 is the beginning of the next day, and second 60, of a leap second, that of the
// next minute. Digits of the fraction beyond nanoseconds are dropped.
func parseTime(text []byte) (time.Time, bool) {
	s := timeScanner{rest: text}
	year := s.digits(4, 9999)
	s.one("-")
	month := time.Month(s.digits(2, 12))
	s.one("-")
	day := s.digits(2, 31)
	s.one("Tt ")
	hour := s.digits(2, 24)
	s.one(":")
	minute := s.digits(2, 59)
	second, nanos := s.second()
	offset := s.offset()

	switch {
	case s.failed || len(s.rest) > 0:
		return time.Time{}, false
	case month == 0 || day == 0 || day > 28 && day > daysIn(year, month):
		return time.Time{}, false
	case hour == 24 && (minute != 0 || second != 0 || nanos != 0):
		return time.Time{}, false
	}
	return time.Date(year, month, day, hour, minute, second, nanos, time.UTC).Add(-offset), true
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// timeScanner takes a text apart from its beginning. Once it has failed, what it returns means nothing.
type timeScanner struct {
	rest   []byte
	failed bool
}

// digits takes a number of that many digits, which is most at most.
func (s *timeScanner) digits(count, most int) int {
	if len(s.rest) < count {
		s.failed = true
		return 0
	}
	n := 0
	for _, c := range s.rest[:count] {
		if c < '0' || c > '9' {
			s.failed = true
			return 0
		}
		n = 10*n + int(c-'0')
	}
	s.rest = s.rest[count:]
	s.failed = s.failed || n > most
	return n
}

// next reports whether one of the characters comes next, and takes it.
func (s *timeScanner) next(oneOf string) bool {
	if len(s.rest) == 0 {
		return false
	}
	for i := range len(oneOf) {
		if s.rest[0] == oneOf[i] {
			s.rest = s.rest[1:]
			return true
		}
	}
	return false
}

// one takes one of the characters, which must come next.
func (s *timeScanner) one(of string) {
	if !s.next(of) {
		s.failed = true
	}
}

// second takes a second and its fraction, if there is one.
func (s *timeScanner) second() (second, nanos int) {
	if !s.next(":") {
		return 0, 0
	}
	second = s.digits(2, 60)
	if !s.next(".,") {
		return second, 0
	}
	count, unit := 0, int(time.Second)
	for count < len(s.rest) && s.rest[count] >= '0' && s.rest[count] <= '9' {
		unit /= 10
		nanos += unit * int(s.rest[count]-'0')
		count++
	}
	s.failed = s.failed || count == 0
	s.rest = s.rest[count:]
	return second, nanos
}

// offset takes how far the time is ahead of UTC.
func (s *timeScanner) offset() time.Duration {
	if len(s.rest) == 0 || s.next("Zz") {
		return 0
	}
	sign := time.Duration(1)
	if s.rest[0] == '-' {
		sign = -1
	}
	s.one("+-")
	offset := time.Duration(s.digits(2, 23)) * time.Hour
	if s.next(":") || len(s.rest) > 0 {
		offset += time.Duration(s.digits(2, 59)) * time.Minute
	}
	return sign * offset
}
