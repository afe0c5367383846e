package e2e

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/compare"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/kafka"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// publisher is a Kafka client that is not ours, fed by lines.
type publisher struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	err   bytes.Buffer
	write sync.Mutex
}

func startPublisher(t *testing.T, cmd *exec.Cmd) *publisher {
	t.Helper()
	p := &publisher{cmd: cmd}
	var err error
	p.in, err = cmd.StdinPipe()
	require.NoError(t, err)
	cmd.Stderr = &p.err
	require.NoError(t, cmd.Start())
	return p
}

func (p *publisher) line(format string, args ...any) error {
	p.write.Lock()
	defer p.write.Unlock()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	return err
}

// close ends the client; it returns once everything was acknowledged.
func (p *publisher) close(t *testing.T) {
	t.Helper()
	require.NoError(t, p.in.Close())
	require.NoError(t, p.cmd.Wait(), p.err.String())
}

// dual is an application that writes the old table and publishes each change itself: half of its rows by kcat, half by
// confluent-kafka.
type dual struct {
	demo.SDKTable
	kcat, python *publisher
}

func startDual(t *testing.T, w *world) *dual {
	topic := kafka.TopicsOf(w.config.Name).Live
	kcat := exec.Command("kcat", "-E", "-P", "-b", w.brokers, "-t", topic, "-K", "\t", "-Z",
		"-X", "topic.partitioner=murmur2_random", "-X", "enable.idempotence=true")
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	python := exec.Command("python3", filepath.Join(root, "docs/examples/publish.py"), w.brokers, topic)
	python.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(root, ".services/python"))
	return &dual{w.table(w.old), startPublisher(t, kcat), startPublisher(t, python)}
}

func (d *dual) Put(ctx context.Context, item []byte) error {
	if err := d.SDKTable.Put(ctx, item); err != nil {
		return err
	}
	return d.write(item)
}

func (d *dual) Update(ctx context.Context, key string, item []byte) error {
	if err := d.SDKTable.Update(ctx, key, item); err != nil {
		return err
	}
	return d.write(item) // an event carries the whole image
}

func (d *dual) write(item []byte) error {
	split, err := events.NewDecoder(schema).Item(item)
	if err != nil {
		return err
	}
	key, err := schema.Key(split)
	if err != nil {
		return err
	}
	return d.publish(string(key), string(item))
}

func (d *dual) Delete(ctx context.Context, key string) error {
	if err := d.SDKTable.Delete(ctx, key); err != nil {
		return err
	}
	return d.publish(key, "")
}

func (d *dual) publish(key, item string) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	if h.Sum32()%2 == 0 {
		return d.kcat.line("%s\t%s", key, item)
	}
	if item == "" {
		item = "null"
	}
	return d.python.line(`{"key":%s,"item":%s}`, key, item)
}

func (d *dual) close(t *testing.T) {
	d.kcat.close(t)
	d.python.close(t)
}

// The application publishes its own events; on the way come records that can never be applied.
func TestApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "live: {from: app}", "segments: 64")
	rows := readCities(t, size(8000, 30_000))
	w.load(rows)
	w.create(operate.CreateOptions{})

	clients := startDual(t, w)
	app := &demo.Application{Rows: rows, Table: clients, Seed: 2, Rate: 100}
	stopApp := w.live(app, size(2000, 6000))

	w.write(slow)
	w.start("snapshot", 2)
	w.start("streamer", 2)
	bad(t, w)
	w.killing(1500 * time.Millisecond)
	w.closed()
	stopApp()
	clients.close(t)
	w.quiet()
	t.Logf("%d changes", app.Done())
	t.Logf("counts: %+v", w.status().Counts)
	deadLetters(t, w)
	w.equal(app.Deleted, -1)

	// A tombstone: the key is dead although the old table still holds the row.
	again := startDual(t, w)
	dead := rows.Key(7_345)
	require.NoError(t, again.SDKTable.Put(t.Context(), rows.Item(7_345, 1)))
	require.NoError(t, again.python.line(`{"key":%s,"item":null,"op":"tombstone"}`, dead))
	again.close(t)
	w.quiet()
	w.sweep(operate.SweepOptions{})
	c, err := compare.Tables(t.Context(), w.old, w.new, compare.Options{Schema: schema, Names: assembly.Attributes(w.config), Deleted: app.Deleted})
	require.NoError(t, err)
	require.Equal(t, 1, c.Markers, "the tombstone stays while fallback reads may be on")
	require.Equal(t, 1, c.Missing)
	w.sweep(operate.SweepOptions{FallbackReadsOff: true})
	c, err = compare.Tables(t.Context(), w.old, w.new, compare.Options{Schema: schema, Names: assembly.Attributes(w.config), Deleted: app.Deleted})
	require.NoError(t, err)
	require.Zero(t, c.Markers)

	documented(t, w)
}

// documented runs the kcat command of docs/WIRE.md as it is written there, but for the address and the topic.
func documented(t *testing.T, w *world) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/WIRE.md")
	require.NoError(t, err)
	var script strings.Builder
	for line := range strings.Lines(string(page)) {
		if command, is := strings.CutPrefix(line, "    "); is && (strings.HasPrefix(command, "printf") || script.Len() > 0) {
			script.WriteString(command)
		} else if script.Len() > 0 {
			break
		}
	}
	text := strings.NewReplacer("127.0.0.1:9092", w.brokers, "orders.live", kafka.TopicsOf(w.config.Name).Live).Replace(script.String())
	require.Contains(t, text, "kcat -P -b "+w.brokers)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", text).CombinedOutput()
	require.NoError(t, err, "%s", out)
	w.quiet()
	found, err := w.new.SDK().GetItem(t.Context(), &sdk.GetItemInput{
		TableName: new(w.new.Name()), ConsistentRead: new(true),
		Key: map[string]types.AttributeValue{"country": &types.AttributeValueMemberS{Value: "AD"}, "cityId": &types.AttributeValueMemberN{Value: "1"}},
	})
	require.NoError(t, err)
	require.Equal(t, &types.AttributeValueMemberS{Value: "x"}, found.Item["name"])
}

// badKeys are the keys of the records that bad publishes, and the reasons for which they end in the dlq.
var badKeys = map[string]events.Reason{
	"not a key": events.KeyMismatch,
	`{"country":{"S":"XX"},"cityId":{"N":"1"}}`: events.TooLarge,
	`{"country":{"S":"XX"},"cityId":{"S":"2"}}`: events.KeyMismatch,
	`{"country":{"S":"XX"},"cityId":{"N":"3"}}`: events.Undecodable,
	`{"country":{"S":"XX"},"cityId":{"N":"4"}}`: events.Reserved,
}

// bad publishes a garbage record, an item that is too large, one whose key does not fit, one that is no item, and one
// that uses a name of ours.
func bad(t *testing.T, w *world) {
	t.Helper()
	transport := &kafkago.Transport{} // the default one remembers a cluster without this topic
	defer transport.CloseIdleConnections()
	writer := &kafkago.Writer{
		Addr: kafkago.TCP(w.brokers), Topic: kafka.TopicsOf(w.config.Name).Live, RequiredAcks: kafkago.RequireAll, Transport: transport,
		Balancer: kafkago.Murmur2Balancer{Consistent: true}, BatchTimeout: 10 * time.Millisecond, BatchBytes: 8 << 20,
	}
	defer writer.Close()
	var messages []kafkago.Message
	for key := range badKeys {
		value := `{"country":{"S":"XX"},"cityId":{"N":"1"},"big":{"S":"` + strings.Repeat("x", 450_000) + `"}}`
		switch {
		case key == "not a key":
			value = "\x00\xff garbage"
		case strings.Contains(key, `"3"`):
			value = `{"country":{"S":"XX"},"cityId":`
		case strings.Contains(key, `"4"`):
			value = `{"country":{"S":"XX"},"cityId":{"N":"4"},"crossfade_version":{"S":"mine"}}`
		case strings.Contains(key, `"2"`):
			value = `{"country":{"S":"XX"},"cityId":{"S":"2"}}`
		}
		messages = append(messages, kafkago.Message{Key: []byte(key), Value: []byte(value)})
	}
	require.NoError(t, writer.WriteMessages(t.Context(), messages...))
}

// deadLetters requires every bad record in the dlq, with its reason and where it came from.
func deadLetters(t *testing.T, w *world) {
	t.Helper()
	topics := kafka.TopicsOf(w.config.Name)
	found := map[string]events.Reason{}
	client := w.kafka()
	for offset, end := int64(0), w.records(topics.DLQ); offset < end; {
		batch, err := client.Fetch(t.Context(), events.TopicPartition{Topic: topics.DLQ}, offset, 4<<20)
		require.NoError(t, err)
		for _, r := range batch.Records {
			reason, _ := r.Header(kafka.HeaderReason)
			found[string(r.Key)] = events.Reason(reason)
			topic, _ := r.Header(kafka.HeaderTopic)
			require.Equal(t, topics.Live, topic)
			detail, _ := r.Header(kafka.HeaderDetail)
			if _, expected := badKeys[string(r.Key)]; !expected || len(found) < 10 {
				t.Logf("dlq: %.60s: %s", r.Key, detail)
			}
		}
		offset = batch.Next
	}
	require.Equal(t, badKeys, found, "each bad record is in the dlq, and no other")
}
