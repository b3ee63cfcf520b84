// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	kafkaTopic      = "verifyyou"
	kafkaGroup      = "verifyyou-funnel"
	kafkaPartitions = 12
)

// kafkaFrontInHaste is what changes in examples/kafka/front.yaml for a test.
const kafkaFrontInHaste = `
receivers:
  verifyyou:
    write_timeout: 3s
    metrics_flush_interval: 1s
exporters:
  kafka:
    timeout: 1s
service:
  telemetry:
    metrics:
      level: none
`

// kafkaFunnelInHaste is what changes in examples/kafka/funnel.yaml for a test.
const kafkaFunnelInHaste = `
receivers:
  kafka:
    session_timeout: %s
    heartbeat_interval: 200ms
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

// broker is kfake: one broker that speaks Kafka's protocol, with consumer groups and static members. It runs in the
// process of the test and keeps its topics, offsets and groups in a folder. It copies nothing to other brokers, so that
// required_acks has no replicas to wait for.
type broker struct {
	t       *testing.T
	port    int
	folder  string
	cluster *kfake.Cluster
	foreign int64 // records of the topic that no front has written
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, port: freePorts(t, 1)[0], folder: t.TempDir()}
	b.start()
	return b
}

// start starts the broker with what it had.
func (b *broker) start() {
	b.t.Helper()
	var err error
	b.cluster, err = kfake.NewCluster(kfake.Ports(b.port), kfake.DataDir(b.folder),
		kfake.SeedTopics(kafkaPartitions, kafkaTopic), kfake.GroupMinSessionTimeout(time.Second))
	require.NoError(b.t, err)
	b.t.Cleanup(b.cluster.Close)
}

func (b *broker) address() string {
	return fmt.Sprintf("127.0.0.1:%d", b.port)
}

// writeForeign writes a record that is no log record to each partition.
func (b *broker) writeForeign() {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.address()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(b.t, err)
	defer client.Close()
	for partition := range int32(kafkaPartitions) {
		record := &kgo.Record{Topic: kafkaTopic, Partition: partition, Value: []byte("no log record")}
		require.NoError(b.t, client.ProduceSync(b.t.Context(), record).FirstErr())
		b.foreign++
	}
}

// written returns how many records the fronts have written.
func (b *broker) written() int64 {
	written := -b.foreign
	for _, partition := range b.cluster.PartitionInfos(kafkaTopic) {
		written += partition.HighWatermark
	}
	return written
}

// assigned waits until as many funnels share the partitions, and returns which one has which.
func (b *broker) assigned(funnels int) map[string][]int32 {
	b.t.Helper()
	var assigned map[string][]int32
	require.EventuallyWithT(b.t, func(c *assert.CollectT) {
		info := b.cluster.GroupInfo(kafkaGroup)
		require.NotNil(c, info)
		require.Equal(c, "Stable", info.State)
		require.Equal(c, kafkaPartitions, info.NumAssigned())
		assigned = map[string][]int32{}
		for _, member := range info.Members {
			require.NotNil(c, member.InstanceID)
			assigned[*member.InstanceID] = member.Assignment[kafkaTopic]
		}
		require.Len(c, assigned, funnels)
	}, deadline, 5*poll)
	return assigned
}

// kafkaGateway is the Collectors of examples/kafka, and the broker between them.
type kafkaGateway struct {
	*gateway
	broker *broker
}

func newKafkaGateway(t *testing.T, sessionTimeout, abandonAfter, flushInterval time.Duration) *kafkaGateway {
	t.Helper()
	b := newBroker(t)
	g := &gateway{t: t, in: newIntake(t), examples: "../examples/kafka", otelcol: otelcol}
	funnelHaste := writeFile(t, fmt.Sprintf(kafkaFunnelInHaste, sessionTimeout, abandonAfter, flushInterval))
	for i := range funnelCount {
		port := freePorts(t, 1)[0]
		g.funnels = append(g.funnels, g.member("funnel.yaml", funnelHaste, port, "KAFKA_BROKER="+b.address(),
			fmt.Sprintf("FUNNEL_HEALTH=127.0.0.1:%d", port), "FUNNEL_NAME="+funnelName(i), "FUNNEL_STATE="+t.TempDir()))
	}
	frontHaste := writeFile(t, kafkaFrontInHaste)
	for range frontCount {
		port := freePorts(t, 1)[0]
		g.fronts = append(g.fronts, g.member("front.yaml", frontHaste, port, "KAFKA_BROKER="+b.address(),
			fmt.Sprintf("FRONT_ENDPOINT=127.0.0.1:%d", port)))
	}
	return &kafkaGateway{g, b}
}

// ended is how verifications ended. One whose next event took longer than the silence after which it ends has gone on,
// and ended again.
func (g *kafkaGateway) ended() counts {
	return g.in.last("verifyyou.verification.ended").total().minus(g.in.last("verifyyou.verification.resumed").total())
}

// reread returns how many records the funnels have exported beyond those that the fronts have written.
func (g *kafkaGateway) reread() int64 {
	var exported int64
	g.in.eachRecord(func(_ pcommon.Map, record plog.LogRecord) {
		if record.EventName() != "verifyyou.verification.summary" {
			exported++
		}
	})
	return exported - g.broker.written()
}

// TestKafka delivers events at random to both fronts while a funnel is killed and comes back, and while the broker is
// gone: together, the funnels count every verification once. Offsets are committed so seldom that the killed funnel reads
// again what it had not saved. What is no log record holds nothing up.
func TestKafka(t *testing.T) {
	people, last := presign(t, 1, 300), presign(t, 2, 1)
	g := newKafkaGateway(t, 5*time.Minute, 10*time.Second, 3*time.Second)
	before := g.broker.assigned(funnelCount)
	g.broker.writeForeign()

	deliveries := g.atRandom(people)
	var taken atomic.Int64
	var senders sync.WaitGroup
	senders.Go(func() { deliver(t, deliveries, &taken) })
	wait := func(share int) {
		t.Helper()
		require.Eventually(t, func() bool { return taken.Load() > int64(len(deliveries)*share/100) }, deadline, poll)
	}
	wait(30)
	g.funnels[1].kill()
	g.funnels[1].start()
	wait(60)
	g.broker.cluster.Close()
	answer := mustSend(t, last.requests[0].to(g.fronts[0].collector))
	assert.True(t, strings.HasPrefix(answer, "503 "), answer)
	g.broker.start()
	senders.Wait()
	deliver(t, allTo(g.fronts[0], last), &taken)
	assert.Equal(t, before, g.broker.assigned(funnelCount), "a funnel has not come back to its partitions")

	g.counted(people.reached.plus(last.reached))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, people.ended.plus(last.ended), g.ended())
	}, deadline, 10*poll)
	g.stop() // each flushes a last time

	assert.Equal(t, people.reached.plus(last.reached), g.in.last("verifyyou.verification.reached").total())
	assert.Equal(t, people.passed.plus(last.passed), g.in.last("verifyyou.verification.passed").total())
	assert.Equal(t, people.ended.plus(last.ended), g.ended())
	for i := range funnelCount {
		assert.Positive(t, g.in.last("verifyyou.verification.reached").of(funnelName(i)).sum(), funnelName(i))
	}
	for _, front := range g.fronts {
		t.Log("answers of a front by status:", front.answers)
		assert.Positive(t, front.answers["503"])
		assert.Len(t, front.answers, 2, "there are other answers than 200 and 503")
	}
	// A record whose request was answered 503 may have been written after all, beside that of the next delivery.
	assert.GreaterOrEqual(t, g.broker.written(), g.in.last("verifyyou.events").total().sum(), "an event was answered 200 and is not in Kafka")
	t.Logf("records of the fronts: %d, read again: %d", g.broker.written(), g.reread())
	assert.Positive(t, g.reread(), "the killed funnel has read nothing again")
	g.in.checkSeries(t)
}

// TestKafkaMovesPartitions stops a funnel for longer than the session timeout. The others take its partitions over where
// it had come to, so that new verifications are counted; of those that it knew they know nothing, so that what is
// delivered again is counted again. When it comes back, its partitions do too.
func TestKafkaMovesPartitions(t *testing.T) {
	first, second := presign(t, 1, 100), presign(t, 2, 100)
	g := newKafkaGateway(t, 2*time.Second, time.Hour, time.Second)
	before := g.broker.assigned(funnelCount)
	var taken atomic.Int64

	deliver(t, allTo(g.fronts[0], first), &taken)
	g.counted(first.reached)
	g.funnels[1].stop()
	known := g.in.last("verifyyou.verification.reached").of(funnelName(1))
	assert.Positive(t, known.sum())
	others := g.broker.assigned(funnelCount - 1)
	assert.NotContains(t, others, funnelName(1))

	deliver(t, allTo(g.fronts[0], second), &taken)
	g.counted(first.reached.plus(second.reached))
	deliver(t, allTo(g.fronts[1], first), &taken) // which does not know them
	g.counted(first.reached.plus(second.reached).plus(known))

	g.funnels[1].start()
	assert.Equal(t, before, g.broker.assigned(funnelCount))
	g.stop()
	assert.Equal(t, first.reached.plus(second.reached).plus(known), g.in.last("verifyyou.verification.reached").total())
	assert.Zero(t, g.reread(), "a funnel that ends in order has not said how far it had come")
	g.in.checkSeries(t)
}
