// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// piped is the configuration of a Collector with a receiver on %[1]d and a file exporter to the folder %[2]s, to which
// a test adds the rest: settings of the receiver, then sections, then the service.
const piped = `
receivers:
  verifyyou:
    endpoint: 127.0.0.1:%[1]d
    signing_secrets: ["${env:VERIFYYOU_SIGNING_SECRET}"]
    metrics_flush_interval: 1s
%[3]s
exporters:
  file/logs:
    path: %[2]s/logs.jsonl
    append: true
  file/metrics:
    path: %[2]s/metrics.jsonl
    append: true
%[4]s
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [verifyyou]
      exporters: [file/metrics]
    logs:
      receivers: [verifyyou]
%[5]s
`

func pipe(t *testing.T, dir, receiver, sections, logs string) (file, url string) {
	t.Helper()
	port := freePorts(t, 1)[0]
	return writeFile(t, fmt.Sprintf(piped, port, dir, receiver, sections, logs)), fmt.Sprintf("http://127.0.0.1:%d", port)
}

// limiter is a memory_limiter that refuses everything: the Collector needs more than it allows.
const limiter = `
  memory_limiter:
    check_interval: 1s
    limit_mib: 1
`

// answers posts an event and returns the whole answer.
func (c *collector) answers(t *testing.T, body string) *http.Response {
	t.Helper()
	response, err := client.Do(c.newRequest(body, sign(body)))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response
}

// TestMemoryLimiterProcessor shows that what the processor refuses is to be delivered again.
func TestMemoryLimiterProcessor(t *testing.T) {
	dir := t.TempDir()
	file, url := pipe(t, dir, "", "processors:"+limiter, `
      processors: [memory_limiter]
      exporters: [file/logs]`)
	c := startWith(t, file, url)
	// Until the limiter looks, which it does every second, events are taken; each of these is another one.
	n := 0
	require.Eventually(t, func() bool {
		n++
		return c.answers(t, fmt.Sprintf(`{"stage": "liveness_passed", "n": %d}`, n)).StatusCode == http.StatusServiceUnavailable
	}, deadline, poll)
	assert.Equal(t, "10", c.answers(t, sample).Header.Get("Retry-After"))
	c.stop()
}

// TestMemoryLimiterExtension shows what the extension answers in the place of the receiver, as for any HTTP receiver. Of
// the Collectors that are built here, the gateway's has it.
func TestMemoryLimiterExtension(t *testing.T) {
	dir := t.TempDir()
	file, url := pipe(t, dir, "    middlewares: [{id: memory_limiter}]", "extensions:"+limiter, `
      exporters: [file/logs]
  extensions: [memory_limiter]`)
	c := run(t, gatewayOtelcol(t, "--config", file), url)
	require.Eventually(t, func() bool { return get(url+"/healthz") != "" && c.answers(t, sample).StatusCode != http.StatusOK }, deadline, poll)
	assert.Equal(t, http.StatusTooManyRequests, c.answers(t, sample).StatusCode)
	c.stop()
}

// TestFanOut has two exporters, one of which refuses at first: the other gets the event again, with the same uid, and
// it is counted once.
func TestFanOut(t *testing.T) {
	var taken atomic.Int32
	var away atomic.Bool
	away.Store(true)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		taken.Add(1)
	}))
	defer backend.Close()
	cfg := configuration{exports: t.TempDir()}
	file, url := pipe(t, cfg.exports, "", fmt.Sprintf(`
  otlp_http:
    endpoint: %s
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: false}`, backend.URL), `
      exporters: [otlp_http, file/logs]`)
	c := startWith(t, file, url)
	assert.Equal(t, http.StatusServiceUnavailable, c.answers(t, sample).StatusCode)
	away.Store(false)
	assert.Equal(t, `200 {"status":"accepted"}`, mustSend(t, c.newRequest(sample, sign(sample))))
	assert.Equal(t, `200 {"status":"duplicate"}`, mustSend(t, c.newRequest(sample, sign(sample))))
	c.stop()

	uids := map[string]int{}
	for _, r := range cfg.records(t) {
		uid, _ := r.Attributes().Get("log.record.uid")
		uids[uid.Str()]++
	}
	require.Len(t, uids, 1)
	for _, times := range uids {
		assert.Equal(t, 2, times)
	}
	assert.EqualValues(t, 1, taken.Load())
	assert.Equal(t, map[series]int64{{"verification_completed", "completed", "signup-campaign"}: 1}, cfg.counts(t))
}

// TestEndWithABackendThatHangs shows that the Collector ends all the same, and that nobody is told 200.
func TestEndWithABackendThatHangs(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-release
	}))
	defer backend.Close()
	defer close(release)
	dir := t.TempDir()
	file, url := pipe(t, dir, "", fmt.Sprintf(`
  otlp_http:
    endpoint: %s
    timeout: 0s
    sending_queue: {enabled: false}
    retry_on_failure: {enabled: false}`, backend.URL), `
      exporters: [otlp_http]`)
	c := startWith(t, file, url)
	answered := make(chan string, 1)
	go func() {
		answer, _ := send(c.newRequest(sample, sign(sample)))
		answered <- answer
	}()
	<-arrived
	c.stop()
	assert.Contains(t, <-answered, "503 ")
}

// TestRestartWithFileStorage shows that a duplicate is a duplicate, and that series go on, in another process.
func TestRestartWithFileStorage(t *testing.T) {
	cfg := configuration{exports: t.TempDir()}
	file, url := pipe(t, cfg.exports, "    storage: file_storage", `
extensions:
  file_storage:
    directory: `+t.TempDir(), `
      exporters: [file/logs]
  extensions: [file_storage]`)
	second := `{"stage": "verification_completed", "external_tracker": "signup-campaign"}`
	for _, answers := range [][2]string{{"accepted", ""}, {"duplicate", "accepted"}} {
		c := startWith(t, file, url)
		assert.Contains(t, mustSend(t, c.newRequest(sample, sign(sample))), answers[0])
		if answers[1] != "" {
			assert.Contains(t, mustSend(t, c.newRequest(second, sign(second))), answers[1])
		}
		c.stop()
	}
	assert.Len(t, cfg.records(t), 2)
	assert.Equal(t, map[series]int64{{"verification_completed", "completed", "signup-campaign"}: 2}, cfg.counts(t))
	cfg.checkSeries(t)
}

const fileStorage = `
extensions:
  file_storage:
    directory: %s`

const intoStorage = `
      exporters: [file/logs]
  extensions: [file_storage]`

// waitsForStorage waits until a Collector says that it cannot open its storage yet.
func (c *collector) waitsForStorage() {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return strings.Contains(c.printed(), "Storage cannot be opened yet; trying again") }, deadline, poll)
	assert.Contains(c.t, c.printed(), `"storage": "file_storage"`)
	assert.False(c.t, c.healthy(), "there is no running without storage")
}

// TestStorageOfAnotherProcess begins while the process that is replaced still has the storage.
func TestStorageOfAnotherProcess(t *testing.T) {
	storage := fmt.Sprintf(fileStorage, t.TempDir())
	file, url := pipe(t, t.TempDir(), "    storage: file_storage", storage, intoStorage)
	first := startWith(t, file, url)
	assert.Contains(t, mustSend(t, first.newRequest(sample, sign(sample))), "accepted")

	file, url = pipe(t, t.TempDir(), "    storage: file_storage", storage, intoStorage)
	second := launch(t, file, url)
	second.waitsForStorage()
	first.stop()
	second.waitUntilReady()
	assert.Contains(t, mustSend(t, second.newRequest(sample, sign(sample))), "duplicate")
	second.stop()
}

// TestStorageThatIsNoDatabase starts on a file that holds something else, which is then moved away.
func TestStorageThatIsNoDatabase(t *testing.T) {
	folder := t.TempDir()
	database := filepath.Join(folder, "receiver_verifyyou_")
	require.NoError(t, os.WriteFile(database, []byte("this is not a database"), 0o600))
	file, url := pipe(t, t.TempDir(), "    storage: file_storage", fmt.Sprintf(fileStorage, folder), intoStorage)
	c := launch(t, file, url)
	c.waitsForStorage()
	require.NoError(t, os.Rename(database, database+"moved"))
	c.waitUntilReady()
	assert.Contains(t, mustSend(t, c.newRequest(sample, sign(sample))), "accepted")
	c.stop()
}

// TestReadmeIsValid loads the configurations of whole Collectors that are in the READMEs.
func TestReadmeIsValid(t *testing.T) {
	for _, file := range []string{"../README.md", "../verifyyoufunnelconnector/README.md"} {
		readme, err := os.ReadFile(file)
		require.NoError(t, err)
		whole := 0
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
			if !regexp.MustCompile(`(?m)^service:`).MatchString(block[1]) {
				continue
			}
			whole++
			// The folder of file_storage is made when a configuration is validated.
			text := regexp.MustCompile(`/var/lib/otelcol`).ReplaceAllString(block[1], t.TempDir())
			output(t, otelcol(t, "validate", "--config", writeFile(t, text)))
		}
		assert.Positive(t, whole, file)
	}
}
