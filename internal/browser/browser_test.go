// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package browser

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats"
	"github.com/otel-verifyyou/verifyyoureceiver/internal/stats/statstest"
)

// deadline is for whatever must happen some time: it is only reached when a test fails.
const deadline = time.Minute

// server serves statistics at an address that stays the same when it has been stopped and started again.
type server struct {
	t       *testing.T
	handler http.Handler
	address string
	http    *http.Server
}

func serve(t *testing.T, source stats.Source) *server {
	t.Helper()
	s := &server{t: t, handler: stats.NewHandler(source, time.Now, zap.NewNop()), address: "127.0.0.1:0"}
	s.start()
	t.Cleanup(func() { _ = s.http.Close() })
	return s
}

func (s *server) start() {
	listener, err := new(net.ListenConfig).Listen(s.t.Context(), "tcp", s.address)
	require.NoError(s.t, err)
	s.address = listener.Addr().String()
	s.http = &http.Server{Handler: s.handler, ReadHeaderTimeout: deadline}
	go func() { _ = s.http.Serve(listener) }()
}

func (s *server) stop() {
	require.NoError(s.t, s.http.Close())
}

func (s *server) url(query string) string {
	return "http://" + s.address + "/" + query
}

// campaigns are the trackers of simulated verifications.
var campaigns = []string{"signup-campaign", "newsletter", "partner/acme", "app-store"}

// population is some thousand verifications of eight days.
func population() *statstest.Statistics {
	now := time.Now()
	s := statstest.New(50, now)
	s.Simulate(6000, now.Add(-8*24*time.Hour), now.Add(-24*time.Hour), now, campaigns...)
	s.Simulate(1500, now.Add(-24*time.Hour), now.Add(-time.Minute), now, campaigns...)
	return s
}

// tab is a tab of a browser that notes what must not happen.
type tab struct {
	t      *testing.T
	ctx    context.Context
	host   string // all others are foreign
	ignore string // in errors

	mu     sync.Mutex
	errors []string
	hosts  map[string]bool
}

// browser is shared by all tests, which have a tab of their own.
var browser = sync.OnceValues(func() (context.Context, error) {
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.WindowSize(1280, 900),
	})
	ctx, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if ctx, err := browser(); err == nil {
		_ = chromedp.Cancel(ctx)
	}
	os.Exit(code)
}

// open opens an address in a new tab. What the browser complains of, and requests to other hosts, fail the test.
func open(t *testing.T, address string, before ...step) *tab {
	t.Helper()
	shared, err := browser()
	require.NoError(t, err, "install Chromium: apt-get install chromium")
	where, err := url.Parse(address)
	require.NoError(t, err)
	b := &tab{t: t, host: where.Host, hosts: map[string]bool{}}
	ctx, cancel := chromedp.NewContext(shared, chromedp.WithListener(b.note))
	t.Cleanup(cancel)
	b.ctx = ctx
	b.run(command(network.Enable, network.EnableParams{}))
	b.run(before...)
	b.run(chromedp.Navigate(address), chromedp.WaitReady(chromedp.CSS("main")))
	t.Cleanup(b.check)
	return b
}

func (b *tab) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.errors = append(b.errors, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		b.errors = append(b.errors, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		b.errors = append(b.errors, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
			b.hosts[u.Host] = true
		}
	}
}

func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.errors {
		if b.ignore == "" || !strings.Contains(text, b.ignore) {
			assert.Fail(b.t, "the browser complains", text)
		}
	}
	assert.Equal(b.t, map[string]bool{b.host: true}, b.hosts, "no other host is asked for anything")
}

type step = chromedp.Action[chromedp.Void]

// command is a step of the protocol.
func command[P, R any](c cdp.Command[P, R], parameters P) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, parameters)
		return err
	})
}

func script(s string) step {
	return chromedp.Evaluate[chromedp.Void](s)
}

func (b *tab) run(steps ...step) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	if len(steps) == 0 || b.ctx.Err() != nil {
		return
	}
	if chromedp.FromContext(b.ctx).Target == nil { // the first makes the tab, which ends with its context
		ctx = b.ctx
	}
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// value returns what an action returns.
func value[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	require.NoError(b.t, err)
	return v
}

// eval returns the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	return value(b, chromedp.Evaluate[T](expression))
}

// wait waits until an expression in the page is true.
func (b *tab) wait(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(deadline)))
	require.NoError(b.t, err, expression)
}

// unfold opens one of the menus.
func (b *tab) unfold(id string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS("#"+id+" summary")), chromedp.WaitVisible(chromedp.CSS("#"+id+" :not(summary)")))
}

// follow does what leads to another page, and waits for it.
func (b *tab) follow(what step) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, deadline)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, what)
	require.NoError(b.t, err)
}

// refresh has the page ask for new numbers at once, as when it becomes visible.
func (b *tab) refresh() {
	b.t.Helper()
	b.run(script("document.dispatchEvent(new Event('visibilitychange'))"))
}

func colorScheme(scheme string) step {
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}
