// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/event"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/semconv"
)

// maxFields keeps records small.
const maxFields = 16

// ValidateFields returns all errors of a list of further fields, joined. Each begins with the name of the setting that
// the list is configured under. A field becomes the attribute semconv.Prefix + name, which must not exist already.
func ValidateFields(setting string, names []string) error {
	var errs []error
	if len(names) > maxFields {
		errs = append(errs, fmt.Errorf("%s: has %d names; use %d at most", setting, len(names), maxFields))
	}
	for i, name := range names {
		switch {
		case name == "":
			errs = append(errs, fmt.Errorf("%s::%d: is empty; set the name of a field, or remove it", setting, i))
		case slices.Contains(names[:i], name):
			errs = append(errs, fmt.Errorf("%s::%d: %q is there twice; remove it", setting, i, name))
		case name == event.FieldOccurredAt:
			errs = append(errs, fmt.Errorf("%s::%d: %q is kept as the record's Timestamp; remove it", setting, i, name))
		case isTaken(semconv.Prefix + name):
			errs = append(errs, fmt.Errorf("%s::%d: %s%s is an attribute already; remove %q", setting, i, semconv.Prefix, name, name))
		}
	}
	return errors.Join(errs...)
}

// isTaken reports whether the receiver or the funnel gives an attribute a meaning.
func isTaken(attribute string) bool {
	const ofVerification = semconv.Prefix + "verification."
	return slices.Contains([]string{
		semconv.AttrStage, semconv.AttrStep, semconv.AttrVerificationID, semconv.AttrExternalID,
		semconv.AttrExternalTracker, semconv.AttrTrustScore, semconv.AttrOutcome, semconv.AttrInvalidFields,
		semconv.AttrTruncatedFields, semconv.AttrDecodeError,
	}, attribute) || strings.HasPrefix(attribute, ofVerification)
}
