// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	frontCount  = 2
	funnelCount = 3
)

// frontInHaste is what changes in examples/gateway/front.yaml for a test.
const frontInHaste = `
receivers:
  verifyyou:
    metrics_flush_interval: 1s
exporters:
  load_balancing:
    resolver:
      static:
        hostnames: [%s]
service:
  telemetry:
    metrics:
      level: none
`

// funnelInHaste is what changes in examples/gateway/funnel.yaml for a test.
const funnelInHaste = `
connectors:
  verifyyou_funnel:
    abandon_after: %s
    settle: 1s
    metrics_flush_interval: %s
service:
  telemetry:
    metrics:
      level: none
`

// gateway is Collectors in front and behind, and what they export to.
type gateway struct {
	t               *testing.T
	in              *intake
	examples        string // the folder with front.yaml and funnel.yaml
	otelcol         func(*testing.T, ...string) *exec.Cmd
	fronts, funnels []*member
}

// member is a Collector that can be started again as it was.
type member struct {
	*collector
	t           *testing.T
	otelcol     func(*testing.T, ...string) *exec.Cmd
	arguments   []string
	environment []string
	url         string // where it is healthy

	mu      sync.Mutex
	answers map[string]int // by status; those without one by nothing
}

func (m *member) answered(answer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[answer[:min(3, len(answer))]]++
}

func (m *member) start() {
	m.t.Helper()
	cmd := m.otelcol(m.t, m.arguments...)
	cmd.Env = append(cmd.Env, m.environment...)
	m.collector = run(m.t, cmd, m.url)
	m.waitUntilReady()
}

func newGateway(t *testing.T, abandonAfter, flushInterval time.Duration) *gateway {
	t.Helper()
	g := &gateway{t: t, in: newIntake(t), examples: "../examples/gateway", otelcol: gatewayOtelcol}
	funnelHaste := writeFile(t, fmt.Sprintf(funnelInHaste, abandonAfter, flushInterval))
	var hostnames []string
	for i := range funnelCount {
		ports := freePorts(t, 2)
		hostnames = append(hostnames, fmt.Sprintf("127.0.0.1:%d", ports[0]))
		g.funnels = append(g.funnels, g.member("funnel.yaml", funnelHaste, ports[1],
			"FUNNEL_ENDPOINT="+hostnames[i], fmt.Sprintf("FUNNEL_HEALTH=127.0.0.1:%d", ports[1]),
			"FUNNEL_NAME="+funnelName(i), "FUNNEL_STATE="+t.TempDir()))
	}
	frontHaste := writeFile(t, fmt.Sprintf(frontInHaste, strings.Join(hostnames, ", ")))
	for range frontCount {
		port := freePorts(t, 1)[0]
		g.fronts = append(g.fronts, g.member("front.yaml", frontHaste, port, fmt.Sprintf("FRONT_ENDPOINT=127.0.0.1:%d", port)))
	}
	return g
}

func funnelName(i int) string {
	return fmt.Sprintf("funnel-%d", i)
}

// member starts a Collector with an example.
func (g *gateway) member(example, haste string, port int, environment ...string) *member {
	g.t.Helper()
	m := &member{
		t:           g.t,
		otelcol:     g.otelcol,
		arguments:   []string{"--config", filepath.Join(g.examples, example), "--config", haste},
		environment: append(environment, "OTLP_ENDPOINT="+g.in.url),
		url:         fmt.Sprintf("http://127.0.0.1:%d", port),
		answers:     map[string]int{},
	}
	m.start()
	return m
}

func (g *gateway) stop() {
	g.t.Helper()
	for _, m := range append(g.fronts, g.funnels...) {
		m.stop()
	}
}

// delivery is a request to a front.
type delivery struct {
	request *simulatedRequest
	front   *member
}

// deliver posts all of them at once, as many as there are senders, each again until it is taken. It returns when that
// is so; so far counts meanwhile.
func deliver(t *testing.T, deliveries []delivery, soFar *atomic.Int64) {
	t.Helper()
	queue := make(chan delivery)
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for d := range queue {
				if err := d.untilTaken(); err != nil {
					t.Error(err)
				}
				soFar.Add(1)
			}
		})
	}
	for _, d := range deliveries {
		queue <- d
	}
	close(queue)
	senders.Wait()
}

func (d *delivery) untilTaken() error {
	for end := time.Now().Add(deadline); ; time.Sleep(poll) {
		answer, err := send(d.request.to(d.front.collector))
		d.front.answered(answer)
		if err == nil && strings.HasPrefix(answer, "200 ") {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("an event is not taken: %s, %w", answer, err)
		}
	}
}

// allTo delivers every request once, in their order.
func allTo(front *member, populations ...*population) []delivery {
	var deliveries []delivery
	for _, p := range populations {
		for i := range p.requests {
			deliveries = append(deliveries, delivery{&p.requests[i], front})
		}
	}
	return deliveries
}

// atRandom delivers every request to one of the fronts; some come again to the same or to another, and all are out of
// order.
func (g *gateway) atRandom(p *population) []delivery {
	chance := rand.New(rand.NewPCG(1, 2))
	var deliveries []delivery
	for i := range p.requests {
		for range 1 + chance.IntN(3) {
			deliveries = append(deliveries, delivery{&p.requests[i], g.fronts[chance.IntN(frontCount)]})
		}
	}
	chance.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
	return deliveries
}

// counted waits until the funnels together have counted what was delivered.
func (g *gateway) counted(want counts) {
	g.t.Helper()
	require.EventuallyWithT(g.t, func(c *assert.CollectT) {
		assert.Equal(c, want, g.in.last("verifyyou.verification.reached").total())
	}, deadline, 10*poll)
}

// TestGateway delivers events at random to both fronts while a funnel is restarted: together, the funnels count every
// verification once.
func TestGateway(t *testing.T) {
	people := presign(t, 1, 400)
	g := newGateway(t, 3*time.Second, time.Second)

	deliveries := g.atRandom(people)
	var taken atomic.Int64
	var senders sync.WaitGroup
	senders.Go(func() { deliver(t, deliveries, &taken) })
	require.Eventually(t, func() bool { return taken.Load() > int64(len(deliveries)/3) }, deadline, poll)
	g.funnels[1].stop()
	g.funnels[1].start()
	senders.Wait()

	g.counted(people.reached)
	// A verification whose next event took longer than the silence after which it ends has gone on, and ended again.
	ended := func() counts {
		return g.in.last("verifyyou.verification.ended").total().minus(g.in.last("verifyyou.verification.resumed").total())
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.Equal(c, people.ended, ended()) }, deadline, 10*poll)
	g.stop() // each flushes a last time

	assert.Equal(t, people.reached, g.in.last("verifyyou.verification.reached").total())
	assert.Equal(t, people.ended, ended())
	assert.Equal(t, people.verifications, g.in.summarized())
	for i := range funnelCount {
		assert.Positive(t, g.in.last("verifyyou.verification.reached").of(funnelName(i)).sum(), funnelName(i))
	}
	assert.Greater(t, g.in.last("verifyyou.events").total().sum(), int64(len(people.requests)), "no event has come to both fronts")
	g.in.checkSeries(t)
}

// TestGatewayAfterACrash kills a funnel. What it had exported it still knows: events that come again are not counted
// again. What it had not saved is made good when it comes again.
func TestGatewayAfterACrash(t *testing.T) {
	first, second := presign(t, 1, 200), presign(t, 2, 200)
	g := newGateway(t, time.Hour, 3*time.Second)
	var taken atomic.Int64

	deliver(t, allTo(g.fronts[0], first), &taken)
	g.counted(first.reached)
	deliver(t, allTo(g.fronts[0], second), &taken)
	g.funnels[1].kill()
	g.funnels[1].start()

	// The other front does not know them.
	deliver(t, allTo(g.fronts[1], first, second), &taken)
	both := first.reached.plus(second.reached)
	g.counted(both)
	g.stop()
	assert.Equal(t, both, g.in.last("verifyyou.verification.reached").total())
	g.in.checkSeries(t)
}

// simulatedRequest is a signed request of verifyyougen.
type simulatedRequest struct {
	Header http.Header
	Body   []byte
}

func (r *simulatedRequest) to(c *collector) *http.Request {
	request := c.newRequest(string(r.Body), "")
	request.Header = r.Header.Clone()
	return request
}
