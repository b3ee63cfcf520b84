// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/metadata"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/metricsconfig"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/record"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/verificationkey"
)

// answerTime is what is left of write_timeout for the answer when a pipeline takes too long.
const answerTime = time.Second

// Config is the configuration of the verifyyou receiver.
type Config struct {
	// ServerConfig is the HTTP server that takes the webhooks. CompressionAlgorithms cannot be set: a signature is
	// over the bytes as they were sent.
	ServerConfig confighttp.ServerConfig `mapstructure:",squash"`

	// Path is where events are taken.
	Path string `mapstructure:"path"`

	// HealthPath answers GET and HEAD with 200. Empty turns it off.
	HealthPath string `mapstructure:"health_path"`

	// SigningSecrets are the secrets that VerifyYou may sign with. A request signed with any of them is authentic.
	SigningSecrets []configopaque.String `mapstructure:"signing_secrets"`

	// SigningSecretsFile has more of them, one a line. It is read again when it changes.
	SigningSecretsFile string `mapstructure:"signing_secrets_file"`

	// Deduplication is about events that come again.
	Deduplication DeduplicationConfig `mapstructure:"deduplication"`

	// Config is about counters, and the storage for them and for the deliveries that are remembered.
	metricsconfig.Config `mapstructure:",squash"`

	// Fields names further top-level fields of events that records keep as attributes.
	Fields []string `mapstructure:"fields"`

	// VerificationKey is the attributes from which a record's trace id is made: the key of the funnel.
	VerificationKey verificationkey.Key `mapstructure:"verification_key"`

	// MetricsBuilderConfig has the settings of each metric and resource attribute.
	MetricsBuilderConfig metadata.MetricsBuilderConfig `mapstructure:",squash"`

	// compressionAlgorithmsSet is kept for Validate, since the value does not tell.
	compressionAlgorithmsSet bool
}

// DeduplicationConfig says how long, and how many, deliveries are remembered.
type DeduplicationConfig struct {
	// Window is how long a delivered event is remembered. 0 turns it off.
	Window time.Duration `mapstructure:"window"`

	// MaxEntries is how many delivered events are remembered; the oldest is forgotten first.
	MaxEntries int `mapstructure:"max_entries"`
}

var (
	_ confmap.Unmarshaler = (*Config)(nil)
	_ component.Config    = (*Config)(nil)
)

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = "localhost:8787"
	server.ReadHeaderTimeout = 5 * time.Second
	server.ReadTimeout = 10 * time.Second
	server.WriteTimeout = 30 * time.Second
	server.MaxRequestBodySize = 64 << 10
	// Not nil, which would mean all of them: the handler has to see the bytes that were signed.
	server.CompressionAlgorithms = []string{}
	return &Config{
		ServerConfig:         server,
		Path:                 "/webhooks/verifyyou",
		HealthPath:           "/healthz",
		Deduplication:        DeduplicationConfig{Window: 72 * time.Hour, MaxEntries: 100_000},
		Config:               metricsconfig.Default(),
		VerificationKey:      verificationkey.Default(),
		MetricsBuilderConfig: metadata.NewDefaultMetricsBuilderConfig(),
	}
}

// Unmarshal reads the configuration from conf.
func (cfg *Config) Unmarshal(conf *confmap.Conf) error {
	cfg.compressionAlgorithmsSet = conf.IsSet("compression_algorithms")
	return conf.Unmarshal(cfg)
}

// Validate reports every fault of the configuration: the key, what is wrong with it, and what would be right. It
// never repeats a secret.
func (cfg *Config) Validate() error {
	return errors.Join(
		cfg.validateServer(),
		cfg.validatePaths(),
		cfg.validateSecrets(),
		cfg.validateDeduplication(),
		cfg.Faults(),
		record.ValidateFields("fields", cfg.Fields),
		cfg.VerificationKey.Validate("verification_key"),
		cfg.validateGenerated(),
	)
}

func (cfg *Config) validateServer() error {
	server := &cfg.ServerConfig
	var errs []error
	if cfg.compressionAlgorithmsSet || len(server.CompressionAlgorithms) > 0 {
		errs = append(errs, errors.New("compression_algorithms: cannot be set, as a signature is over the bytes as they were sent; remove it"))
	}
	if server.MaxRequestBodySize <= 0 {
		errs = append(errs, fmt.Errorf("max_request_body_size: is %d; use a positive number of bytes, 65536 for example", server.MaxRequestBodySize))
	}
	for _, t := range []struct {
		key   string
		value time.Duration
	}{
		{"read_timeout", server.ReadTimeout},
		{"read_header_timeout", server.ReadHeaderTimeout},
		{"write_timeout", server.WriteTimeout},
	} {
		if t.value < 0 {
			errs = append(errs, fmt.Errorf("%s: is negative (%v); use a positive duration, or 0 for no limit", t.key, t.value))
		}
	}
	if w := server.WriteTimeout; w > 0 && w <= answerTime {
		errs = append(errs, fmt.Errorf("write_timeout: is %v, but the last %v of it are kept for the answer; use a longer one, 30s for example, or 0 for no limit", w, answerTime))
	}
	return errors.Join(append(errs, validateEndpoint(server.NetAddr))...)
}

func validateEndpoint(addr confignet.AddrConfig) error {
	if addr.Endpoint == "" {
		return errors.New("endpoint: is empty; set the address to listen on, localhost:8787 for example")
	}
	if addr.Transport == confignet.TransportTypeUnix {
		return nil
	}
	if _, _, err := net.SplitHostPort(addr.Endpoint); err != nil {
		return fmt.Errorf("endpoint: %w; use host:port, localhost:8787 for example", err)
	}
	return nil
}

func (cfg *Config) validatePaths() error {
	errs := []error{validatePath("path", cfg.Path, "/webhooks/verifyyou")}
	if cfg.HealthPath != "" {
		errs = append(errs, validatePath("health_path", cfg.HealthPath, "/healthz"))
	}
	if cfg.HealthPath != "" && cfg.HealthPath == cfg.Path {
		errs = append(errs, fmt.Errorf("health_path: is the same as path (%q); choose another, or an empty one to turn it off", cfg.HealthPath))
	}
	return errors.Join(errs...)
}

// validatePath refuses paths that no request can have: it is compared with the decoded path of a URL, without its query.
func validatePath(key, path, example string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%s: %q does not begin with /; use %s for example", key, path, example)
	case strings.ContainsFunc(path, unicode.IsSpace):
		return fmt.Errorf("%s: %q has white space in it, and would match no request; use %s for example", key, path, example)
	case strings.ContainsAny(path, "?#%"):
		return fmt.Errorf("%s: %q has a ?, # or %% in it, and would match no request, as a query or an encoding is no part of a path; use %s for example", key, path, example)
	case strings.Contains(path, "//"):
		return fmt.Errorf("%s: %q has // in it, and would match no request; use %s for example", key, path, example)
	}
	return nil
}

func (cfg *Config) validateSecrets() error {
	if len(cfg.SigningSecrets) == 0 && cfg.SigningSecretsFile == "" {
		return errors.New("signing_secrets: there is none, and unsigned requests are never taken; set the secret that VerifyYou's dashboard showed when the endpoint was registered, here or in signing_secrets_file")
	}
	var errs []error
	for i, s := range cfg.SigningSecrets {
		switch secret := string(s); {
		case secret == "":
			errs = append(errs, fmt.Errorf("signing_secrets::%d: is empty; set the secret that VerifyYou's dashboard showed (an environment variable that is not set gives an empty one)", i))
		case secret != strings.TrimSpace(secret):
			errs = append(errs, fmt.Errorf("signing_secrets::%d: has white space around it; remove it (a line break at the end of a file is the usual cause)", i))
		}
	}
	return errors.Join(errs...)
}

func (cfg *Config) validateDeduplication() error {
	var errs []error
	if d := cfg.Deduplication; d.Window < 0 {
		errs = append(errs, fmt.Errorf("deduplication::window: is negative (%v); use a positive duration, or 0 to turn it off", d.Window))
	}
	if d := cfg.Deduplication; d.MaxEntries < 0 || d.MaxEntries == 0 && d.Window != 0 {
		errs = append(errs, fmt.Errorf("deduplication::max_entries: is %d; use a positive number, or a window of 0 to turn deduplication off", d.MaxEntries))
	}
	return errors.Join(errs...)
}

// validateGenerated refuses what the generated settings offer but cannot mean anything here.
func (cfg *Config) validateGenerated() error {
	var errs []error
	if s := cfg.MetricsBuilderConfig.Metrics.VerifyyouEvents.AggregationStrategy; s != metadata.AggregationStrategySum {
		errs = append(errs, fmt.Errorf("metrics::verifyyou.events::aggregation_strategy: %q has no meaning for a counter; use %s", s, metadata.AggregationStrategySum))
	}
	name, instance := cfg.MetricsBuilderConfig.ResourceAttributes.ServiceName, cfg.MetricsBuilderConfig.ResourceAttributes.ServiceInstanceID
	return errors.Join(append(errs, metricsconfig.OneResource(
		metricsconfig.Setting{Key: "service.name::metrics_include", Used: len(name.MetricsInclude) > 0},
		metricsconfig.Setting{Key: "service.name::metrics_exclude", Used: len(name.MetricsExclude) > 0},
		metricsconfig.Setting{Key: "service.instance.id::metrics_include", Used: len(instance.MetricsInclude) > 0},
		metricsconfig.Setting{Key: "service.instance.id::metrics_exclude", Used: len(instance.MetricsExclude) > 0},
	))...)
}
