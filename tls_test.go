// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package verifyyoureceiver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer/consumertest"
)

// certificate is one that signs itself, for 127.0.0.1, in files.
type certificate struct {
	certFile, keyFile string
	pool              *x509.CertPool // who trusts it
	pair              tls.Certificate
}

func newCertificate(t *testing.T) *certificate {
	t.Helper()
	folder := t.TempDir()
	c := &certificate{certFile: filepath.Join(folder, "cert.pem"), keyFile: filepath.Join(folder, "key.pem")}
	c.renew(t)
	return c
}

// renew puts another certificate into the files.
func (c *certificate) renew(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyBytes, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyBytes})
	require.NoError(t, os.WriteFile(c.certFile, certPEM, 0o600))
	require.NoError(t, os.WriteFile(c.keyFile, keyPEM, 0o600))
	c.pool = x509.NewCertPool()
	require.True(t, c.pool.AppendCertsFromPEM(certPEM))
	c.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
}

// client returns a client that trusts the certificate and shows those of its own.
func (c *certificate) client(t *testing.T, own ...tls.Certificate) *http.Client {
	t.Helper()
	trusting := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: c.pool, Certificates: own, MinVersion: tls.VersionTLS13},
	}}
	t.Cleanup(trusting.CloseIdleConnections)
	return trusting
}

// startTLS starts a receiver behind a certificate.
func startTLS(t *testing.T, c *certificate, change func(*configtls.ServerConfig)) (*running, *consumertest.LogsSink) {
	t.Helper()
	server := configtls.ServerConfig{Config: configtls.Config{CertFile: c.certFile, KeyFile: c.keyFile}}
	change(&server)
	logs := new(consumertest.LogsSink)
	return start(t, testConfig(func(cfg *Config) { cfg.ServerConfig.TLS = configoptional.Some(server) }), pipelines{logs: logs}), logs
}

func (r *running) overTLS(n int) *http.Request {
	req := r.request(eventBody("liveness_passed", n))
	req.URL.Scheme = "https"
	return req
}

func TestHTTP2(t *testing.T) {
	c := newCertificate(t)
	r, logs := startTLS(t, c, func(*configtls.ServerConfig) {})
	trusting := c.client(t)
	connections := 0
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if !c.Reused {
			connections++
		}
	}}
	for n, tt := range []struct {
		change func(*http.Request)
		status int
	}{
		{func(*http.Request) {}, 200},
		{deleteHeader("X-VerifyYou-Signature"), 401},
		{setPath("/"), 404},
		{func(*http.Request) {}, 200},
	} {
		req := r.overTLS(n)
		tt.change(req)
		resp, err := trusting.Do(req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, tt.status, resp.StatusCode)
		assert.Equal(t, 2, resp.ProtoMajor)
	}
	assert.Equal(t, 2, logs.LogRecordCount())
	assert.Equal(t, 1, connections, "a refused request ends its stream, not the connection of all others")
}

func TestClientCertificates(t *testing.T) {
	c, trusted, stranger := newCertificate(t), newCertificate(t), newCertificate(t)
	r, logs := startTLS(t, c, func(s *configtls.ServerConfig) { s.ClientCAFile = trusted.certFile })
	got, err := do(c.client(t, trusted.pair), r.overTLS(1))
	require.NoError(t, err)
	assert.Equal(t, 200, got.status)
	_, err = do(c.client(t, stranger.pair), r.overTLS(2))
	require.Error(t, err)
	_, err = do(c.client(t), r.overTLS(3))
	require.Error(t, err)
	plain, err := do(client, r.request([]byte(sampleBody)))
	require.NoError(t, err)
	assert.Equal(t, 400, plain.status, "no TLS")
	assert.Equal(t, 1, logs.LogRecordCount())
}

func TestCertificateIsReloaded(t *testing.T) {
	c := newCertificate(t)
	r, _ := startTLS(t, c, func(s *configtls.ServerConfig) { s.ReloadInterval = time.Millisecond })
	got, err := do(c.client(t), r.overTLS(1))
	require.NoError(t, err)
	assert.Equal(t, 200, got.status)
	c.renew(t)
	eventually(t, func() bool {
		got, err := do(c.client(t), r.overTLS(2)) // trusts only the new one
		return err == nil && got.status == 200
	})
}
