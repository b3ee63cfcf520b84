// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// maxAttributes is how many attributes an event can have without invalid, truncated and further fields.
const maxAttributes = 8

// maxStringBytes is the length of the longest string in an attribute. A backend with a limit would refuse a record
// with a longer one for good; the record's body has the whole.
const maxStringBytes = 1024

func setAttributes(to pcommon.Map, e *event.Event) {
	attrs := attributes{Map: to}
	attrs.EnsureCapacity(maxAttributes + len(e.Further))
	attrs.PutStr(semconv.AttrLogRecordUID, e.ID.String())
	attrs.putText(semconv.AttrStage, e.Stage)
	if e.Step.Valid {
		attrs.PutInt(semconv.AttrStep, e.Step.Value)
	}
	attrs.putID(semconv.AttrVerificationID, e.VerificationID)
	attrs.putID(semconv.AttrExternalID, e.ExternalID)
	attrs.putText(semconv.AttrExternalTracker, e.ExternalTracker)
	if e.TrustScore.Valid {
		attrs.PutDouble(semconv.AttrTrustScore, e.TrustScore.Value)
	}
	for _, f := range e.Further {
		attrs.putFurther(semconv.Prefix+f.Name, f.Value)
	}
	attrs.putNames(semconv.AttrInvalidFields, slices.Concat(e.InvalidFields, e.InvalidFurther))
	attrs.putNames(semconv.AttrTruncatedFields, attrs.truncated)
}

// attributes are those of a record, with a note of which fields were too long for them.
type attributes struct {
	pcommon.Map
	truncated []string // names of fields, in the order in which they were put
}

// putText adds a string of which the beginning says most.
func (a *attributes) putText(name, value string) {
	a.putShort(name, value, cut)
}

// putID adds a string that identifies something.
func (a *attributes) putID(name, value string) {
	a.putShort(name, value, cutUnique)
}

func (a *attributes) putShort(name, value string, shorten func(string) string) {
	if len(value) > maxStringBytes {
		value = shorten(value)
		a.truncated = append(a.truncated, strings.TrimPrefix(name, semconv.Prefix))
	}
	semconv.PutString(a.Map, name, value)
}

// putFurther adds a value of one of the types that event.Further has.
func (a *attributes) putFurther(name string, value any) {
	switch v := value.(type) {
	case string:
		a.putID(name, v)
	case bool:
		a.PutBool(name, v)
	case int64:
		a.PutInt(name, v)
	case float64:
		a.PutDouble(name, v)
	}
}

// putNames adds a list of names of fields, unless it is empty.
func (a *attributes) putNames(name string, fields []string) {
	if len(fields) == 0 {
		return
	}
	list := a.PutEmptySlice(name)
	list.EnsureCapacity(len(fields))
	for _, field := range fields {
		list.AppendEmpty().SetStr(field)
	}
}

// cut returns the beginning of a string that is too long.
func cut(s string) string {
	return beginning(s, maxStringBytes)
}

// cutUnique returns the beginning of a string that is too long, with a hash of the whole, so that two stay two.
func cutUnique(s string) string {
	const mark = "~"
	sum := sha256.Sum256([]byte(s))
	return beginning(s, maxStringBytes-len(mark)-2*sha256.Size) + mark + hex.EncodeToString(sum[:])
}

// beginning returns as much of a longer string of valid UTF-8 as whole runes fit into a number of bytes.
func beginning(s string, most int) string {
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
