// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"
)

const secret = "whsec_soak_v8Tq2nLx"

var (
	stages = []string{
		"verification_initialized", "verification_started", "account_created", "consent_granted", "liveness_started",
		"liveness_passed", "liveness_failed", "liveness_cancelled", "face_collision", "verification_completed",
	}
	trackers = []string{"", "signup-campaign", "newsletter", "été"}
)

// event is the nth of those that VerifyYou sends. All of it follows from n, so that none has to be kept.
type event struct {
	n     int
	epoch time.Time // when the first one occurred
}

// series is what an event is counted under.
type series struct{ stage, tracker string }

func (e event) series() series {
	return series{stages[e.n%len(stages)], trackers[e.n/len(stages)%len(trackers)]}
}

func (e event) body() string {
	s := e.series()
	tracker := "null"
	if s.tracker != "" {
		tracker = strconv.Quote(s.tracker)
	}
	return fmt.Sprintf(`{"stage": %q, "step": %d, "occurred_at": %q, "verification_id": "ver_%d", "external_id": "%d", `+
		`"external_tracker": %s, "trust_score": 0.92}`,
		s.stage, e.n%len(stages), e.epoch.Add(time.Duration(e.n)*time.Microsecond).Format(time.RFC3339Nano),
		e.n/len(stages), e.n, tracker)
}

// eventNumber returns n of the event that has an external_id.
func eventNumber(externalID string) (int, error) {
	return strconv.Atoi(externalID)
}

// sign signs as VerifyYou documents it, with nothing of the receiver's own code.
func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
