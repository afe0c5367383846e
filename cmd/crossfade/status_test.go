package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/cli"
	"github.com/crossfadedb/crossfade/internal/demo"
	"github.com/crossfadedb/crossfade/internal/embedded/broker"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/migration"
	"github.com/crossfadedb/crossfade/internal/operate"
)

// services is a broker, and a database with the empty tables old, new and other.
type services struct {
	dir, brokers, endpoint string
}

func newServices(t *testing.T) services {
	t.Helper()
	require.NoError(t, demo.UseNoAccount())
	b, err := broker.Start("")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	server := embedded.New(embedded.Options{Shards: 2})
	endpoint, err := server.Start()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	for _, table := range []string{"old", "new", "other"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(fmt.Sprintf(
			`{"TableName":%q,"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}`, table)))
		require.NoError(t, err)
		request.Header.Set("X-Amz-Target", "DynamoDB_20120810.CreateTable")
		request.Header.Set("Content-Type", "application/x-amz-json-1.0")
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=demo/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, "%s", body)
	}
	http.DefaultClient.CloseIdleConnections()
	return services{dir: t.TempDir(), brokers: b.Address(), endpoint: endpoint}
}

// file writes the configuration of a migration to a table.
func (s services) file(t *testing.T, target, from string) string {
	t.Helper()
	name := filepath.Join(s.dir, from+"-to-"+target+".yaml")
	require.NoError(t, os.WriteFile(name, fmt.Appendf(nil, `name: %[4]s
source: {dynamodb: {table: old, region: us-east-1, endpoint: "%[1]s"}}
target: {dynamodb: {table: %[3]s, region: us-east-1, endpoint: "%[1]s"}}
kafka: {brokers: ["%[2]s"], partitions: 2, work_partitions: 2}
live: {from: %[4]s}
grace: 1m
`, s.endpoint, s.brokers, target, from), 0o600))
	return name
}

// crossfade runs the command, and returns its exit status and what it wrote.
func crossfade(args ...string) (status int, out, err string) {
	var stdout, stderr bytes.Buffer
	status = cli.Main("crossfade", about, &commands{}, args, cli.Streams{Stdout: &stdout, Stderr: &stderr})
	return status, stdout.String(), stderr.String()
}

// What monitors take for well, a warning and critical is nothing else: whatever keeps a verdict from being found is 3.
func TestStatusCheckExitStatus(t *testing.T) {
	s := newServices(t)
	file := s.file(t, "new", "none")
	for _, check := range []string{"--every=1ms", "--check"} {
		status, out, err := crossfade("status", "-f", file, check)
		require.Equal(t, 3, status)
		require.Empty(t, out)
		require.Contains(t, err, `the migration "none" has not been created`)
	}

	status, _, err := crossfade("create", "-f", file)
	require.Zero(t, status, err)
	status, out, err := crossfade("status", "-f", file, "--check")
	require.Equal(t, 2, status, err)
	require.True(t, strings.HasPrefix(out, "act now: nobody reads the old table (and 1 more)\n"), out)
	status, out, err = crossfade("status", "-f", file, "--every=1ms")
	require.Zero(t, status, err)
	require.Contains(t, out, "\nact now: nobody reads the old table (and 1 more)\n")

	other := s.file(t, "other", "none")
	for check, want := range map[string]int{"--every=1ms": 2, "--check": 3} {
		status, out, err := crossfade("status", "-f", other, check)
		require.Equal(t, want, status)
		require.Empty(t, out, "no figures of other tables")
		require.Contains(t, err, `recorded "new", now "other"`)
	}

	copied(t, file)
	status, out, err = crossfade("status", "-f", file, "--check")
	require.Zero(t, status, "%s%s", out, err)
	require.Equal(t, "well: nothing here needs you\n", out)

	bury(t, file)
	status, out, err = crossfade("status", "-f", file, "--check", "--json")
	require.Equal(t, 1, status, err)
	require.Equal(t, 1, strings.Count(out, "\n"))
	var got operate.Status
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, operate.Look, got.Verdict.Level)
	require.EqualValues(t, 1, got.DeadLetters.Reasons[events.TooLarge])
}

// copied runs a migration whose application was changed first until nothing is left to be done.
func copied(t *testing.T, file string) {
	t.Helper()
	c, err := migration.Load(file)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- operate.Run(ctx, c, operate.RunOptions{Logger: slog.New(slog.DiscardHandler)}) }()
	for {
		s, err := operate.ReadStatus(t.Context(), c)
		require.NoError(t, err)
		if s.Phase == checkpoint.Streaming && s.SnapshotLag == 0 {
			break
		}
		select {
		case err := <-ended:
			require.FailNow(t, "it has ended", "%v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	cancel()
	require.NoError(t, <-ended)
}

// bury puts a record into the dlq.
func bury(t *testing.T, file string) {
	t.Helper()
	c, err := migration.Load(file)
	require.NoError(t, err)
	p, err := assembly.Open(t.Context(), c, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	record := events.Record{TopicPartition: events.TopicPartition{Topic: p.Topics.Snapshot}, Value: []byte("v")}
	require.NoError(t, p.Kafka.DeadLetter(p.Topics.DLQ)(t.Context(), record, &events.Invalid{Reason: events.TooLarge, Detail: "too large"}))
	require.NoError(t, p.Close())
}

func TestStatusFlags(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for _, c := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"--every=0s"}, 2, "--every: 0s is no time"},
		{[]string{"--every=-1s", "--watch"}, 2, "--every: -1s is no time"},
		{[]string{"--check", "--watch"}, 3, "--check looks once"},
		{nil, 2, "missing.yaml"},
		{[]string{"--check"}, 3, "missing.yaml"},
	} {
		status, out, err := crossfade(append([]string{"status", "-f", missing}, c.args...)...)
		require.Equal(t, c.want, status, "%v: %s", c.args, err)
		require.Empty(t, out)
		require.Contains(t, err, c.says)
	}
}

// What goes into a file or a pipe has no codes for a terminal in it.
func TestWatchIntoAFileHasNoEscapeCodes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := &operate.Status{Name: "orders", At: at, Unread: &operate.Unread{Since: at, Error: "no answer"}, Capture: &operate.Capture{Unknown: "why"}}
	var out bytes.Buffer
	require.NoError(t, (&statusCommand{Watch: true}).show(&out, s))
	require.NotContains(t, out.String(), "\x1b")
	require.True(t, strings.HasPrefix(out.String(), "2026-01-02T03:04:05Z\nOLD"), out.String())
	require.Contains(t, out.String(), "behind        unknown: why\n")
	require.Contains(t, out.String(), "what is not captured: unknown: why\n")
	out.Reset()
	require.NoError(t, (&statusCommand{Watch: true, JSON: true}).show(&out, s))
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
}
