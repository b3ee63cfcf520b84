// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"context"
	"fmt"
	"strconv"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/secrets"
)

// startKeys makes the keys of all secrets, and makes them again whenever the file changes.
func (r *verifyyouReceiver) startKeys(ctx context.Context, host component.Host) error {
	file := r.cfg.SigningSecretsFile
	if file == "" {
		r.useSecrets(ctx, nil)
		return nil
	}
	read, err := secrets.Read(ctx, file)
	if err != nil {
		return fmt.Errorf("signing_secrets_file: cannot be used: %w; set it to the path of a file with one secret a line", err)
	}
	r.useSecrets(ctx, read)
	r.background(func(ctx context.Context) {
		secrets.Watch(ctx, file, r.secretsInterval, read,
			func(changed []string) {
				r.useSecrets(ctx, changed)
				r.settings.Logger.Info("Using the secrets of signing_secrets_file", zap.Int("secrets", len(changed)))
				componentstatus.ReportStatus(host, componentstatus.NewEvent(componentstatus.StatusOK))
			},
			func(err error) { r.secretsFailed(host, err) })
	})
	return nil
}

func (r *verifyyouReceiver) secretsFailed(host component.Host, err error) {
	r.settings.Logger.Error("Cannot read signing_secrets_file; the secrets read last stay good", zap.Error(err))
	componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
}

// useSecrets puts the keys of the configured secrets, and of those of the file, in the place of all before.
func (r *verifyyouReceiver) useSecrets(ctx context.Context, ofFile []string) {
	keys := make([]*signingKey, 0, len(r.cfg.SigningSecrets)+len(ofFile))
	for i, secret := range r.cfg.SigningSecrets {
		keys = append(keys, newSigningKey(strconv.Itoa(i), string(secret)))
	}
	for i, secret := range ofFile {
		keys = append(keys, newSigningKey("file/"+strconv.Itoa(i), secret))
	}
	for _, key := range keys {
		r.telemetry.startMatches(ctx, key)
	}
	r.keys.Store(&keys)
}
