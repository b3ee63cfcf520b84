// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Package guard makes panics errors, so that a fault in what we call ends one request or one flush and not the
// Collector.
package guard

import (
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// ErrPanic is matched by an error that was a panic.
var ErrPanic = errors.New("panic")

// Recover makes a panic of the function that defers it the error of that function, and logs it with its stack:
//
//	func consume() (err error) {
//		defer guard.Recover(logger, &err)
//
// A panic in another goroutine cannot be caught.
func Recover(logger *zap.Logger, err *error) { //nolint:gocritic // a deferred function has no other way
	if p := recover(); p != nil {
		logger.Error("Recovered from a panic", zap.Any("panic", p), zap.Stack("stack"))
		*err = fmt.Errorf("%w: %v", ErrPanic, p)
	}
}
