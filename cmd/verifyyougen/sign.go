// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const (
	signatureHeader = "X-VerifyYou-Signature"
	secretVariable  = "VERIFYYOU_SIGNING_SECRET"
)

var errNoSecret = errors.New("no signing secret: set " + secretVariable + ", or use --secret-file or --secret")

// sign returns the value of the signature header for body.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// secretFlags are the ways to give the signing secret on the command line.
type secretFlags struct {
	secret string
	file   string
}

func (s *secretFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.file, "secret-file", "", "`FILE` whose first non-blank line is the signing secret")
	flags.StringVar(&s.secret, "secret", "", "the signing `SECRET`; every user of this machine can see it in the\nprocess list: prefer "+secretVariable+" or --secret-file")
	cmd.MarkFlagsMutuallyExclusive("secret", "secret-file")
}

// resolve returns the signing secret. A flag that is there beats the
// environment even when its value is empty: an empty value is a mistake that a
// secret from elsewhere would hide.
func (s *secretFlags) resolve(cmd *cobra.Command) (string, error) {
	if cmd.Flags().Changed("secret-file") {
		return readSecret(s.file)
	}
	secret := os.Getenv(secretVariable)
	if cmd.Flags().Changed("secret") {
		secret = s.secret
	}
	if strings.TrimSpace(secret) == "" {
		return "", errNoSecret
	}
	return secret, nil
}

func readSecret(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot read the secret file: %w", err)
	}
	for line := range strings.Lines(string(content)) {
		if secret := strings.TrimSpace(line); secret != "" {
			return secret, nil
		}
	}
	return "", fmt.Errorf("the secret file %s is blank: %w", file, errNoSecret)
}
