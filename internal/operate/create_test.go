package operate

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/assembly"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/migration"
)

func (w *world) table(name string, schema events.KeySchema) *dynamodb.Table {
	w.t.Helper()
	t, err := dynamodb.Open(w.t.Context(), dynamodb.Options{Table: name, Region: "us-east-1", Endpoint: w.endpoint, Transport: w.transport()})
	require.NoError(w.t, err)
	input := &sdk.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, k := range schema {
		input.KeySchema = append(input.KeySchema, types.KeySchemaElement{
			AttributeName: &k.Name, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i],
		})
		input.AttributeDefinitions = append(input.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: &k.Name, AttributeType: types.ScalarAttributeType(k.Type),
		})
	}
	_, err = t.SDK().CreateTable(w.t.Context(), input)
	require.NoError(w.t, err)
	return t
}

func (w *world) drop(t *dynamodb.Table) {
	w.t.Helper()
	_, err := t.SDK().DeleteTable(w.t.Context(), &sdk.DeleteTableInput{TableName: new(t.Name())})
	require.NoError(w.t, err)
}

func (w *world) put(t *dynamodb.Table, pk string) {
	w.t.Helper()
	_, err := t.SDK().PutItem(w.t.Context(), &sdk.PutItemInput{
		TableName: new(t.Name()), Item: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}},
	})
	require.NoError(w.t, err)
}

func (w *world) enableStream(view types.StreamViewType) {
	w.t.Helper()
	_, err := w.old.SDK().UpdateTable(w.t.Context(), &sdk.UpdateTableInput{
		TableName: new("old"), StreamSpecification: &types.StreamSpecification{StreamEnabled: new(true), StreamViewType: view},
	})
	require.NoError(w.t, err)
}

// unchanged requires that no topic was made, and that the old table has no stream that it had not before.
func (w *world) unchanged(stream bool) {
	w.t.Helper()
	p, err := assembly.OpenOn(w.t.Context(), w.network, w.config(""), w.logger())
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, p.Close()) }()
	exists, err := p.Kafka.Exists(w.t.Context(), p.Topics.Control)
	require.NoError(w.t, err)
	require.False(w.t, exists)
	if d, err := w.old.Describe(w.t.Context()); err == nil {
		require.Equal(w.t, stream, d.Stream != "")
	}
}

// Each of these is found before anything is changed.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arrange func(*world)
		config  string
		options CreateOptions
		what    string // the check
		problem string
		stream  bool // the old table has one already
	}{
		"no stream":    {what: "stream", problem: "use --enable-stream"},
		"keys only":    {arrange: func(w *world) { w.enableStream(types.StreamViewTypeKeysOnly) }, what: "stream", problem: "KEYS_ONLY", stream: true},
		"no old table": {arrange: func(w *world) { w.drop(w.old) }, what: "old table", problem: "check the table's name"},
		"no new table": {arrange: func(w *world) { w.drop(w.new) }, what: "new table", problem: "check the table's name"},
		"no scan":      {arrange: func(w *world) { w.refuse("Scan", "AccessDeniedException") }, what: "read permission", problem: "permissions"},
		"no write":     {arrange: func(w *world) { w.refuse("PutItem", "AccessDeniedException") }, what: "write permission", problem: "permissions"},
		"no insert":    {arrange: func(w *world) { w.refuse("BatchExecuteStatement", "AccessDenied") }, what: "insert permission", problem: "permissions"},
		"no describe":  {arrange: func(w *world) { w.refuse("DescribeTable", "AccessDeniedException") }, what: "old table", problem: "permissions"},
		"no stream access": {arrange: func(w *world) {
			w.enableStream(types.StreamViewTypeNewImage)
			w.refuse("DescribeStream", "AccessDeniedException")
		}, what: "stream", problem: "permissions", stream: true},
		"rows of the new table": {
			arrange: func(w *world) { w.put(w.new, "mine") }, what: "items of the new table", problem: `{"pk":{"S":"mine"}}`,
		},
		"another key": {
			arrange: func(w *world) {
				w.drop(w.new)
				w.table("new", events.KeySchema{{Name: "pk", Type: "N"}})
			},
			what: "key schemas", problem: "must be the same",
		},
		"a key of our name": {config: "attributes: {version: pk}", what: "key schemas", problem: `"pk"`},
		"replication":       {config: "", options: CreateOptions{EnableStream: true}, what: "Kafka", problem: "replication"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				if c.arrange != nil {
					c.arrange(w)
				}
				config := w.config(c.config)
				if name == "replication" {
					config.Kafka.Replication = 3
				}
				c.options.Logger, c.options.Network = w.logger(), w.network
				report, err := Create(t.Context(), config, c.options)
				require.Error(t, err)
				require.Equal(t, fault.Fatal, fault.Of(err))
				require.True(t, report.Refused())
				found := false
				for _, check := range report.Checks {
					if check.What == c.what {
						found = true
						require.Contains(t, check.Problem, c.problem)
					}
				}
				require.True(t, found, "%+v", report.Checks)
				w.mu.Lock()
				w.fault = nil
				w.mu.Unlock()
				w.unchanged(c.stream)
			})
		})
	}
}

// It is on the machine's own network: what has no network in its options uses that.
func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(w.old, "a")
	config := w.config("")

	report, err := Create(t.Context(), config, CreateOptions{EnableStream: true, DryRun: true, Logger: w.logger()})
	require.NoError(t, err)
	require.False(t, report.Created || report.Existed || report.Refused())
	w.unchanged(false)

	_, err = ReadStatus(t.Context(), config)
	require.ErrorContains(t, err, "crossfade create -f "+w.file)
	err = assembly.Snapshot(t.Context(), config, assembly.WorkerOptions{Logger: w.logger()})
	require.ErrorContains(t, err, "crossfade create -f "+w.file)
	_, err = Sweep(t.Context(), config, SweepOptions{Logger: w.logger()})
	require.ErrorContains(t, err, "crossfade create -f "+w.file)

	report, err = Create(t.Context(), config, CreateOptions{EnableStream: true, Logger: w.logger()})
	require.NoError(t, err)
	require.True(t, report.Created)
	require.Equal(t, 2, report.Shards, "the start of each is recorded")
	described, err := w.old.Describe(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, described.Stream)
	require.True(t, described.NewImages)

	report, err = Create(t.Context(), config, CreateOptions{EnableStream: true, Logger: w.logger()})
	require.NoError(t, err)
	require.True(t, report.Existed)
	require.False(t, report.Created)

	// The same file with another content is refused by whoever comes with it.
	changed := w.config("snapshot: {segments: 3}\napply: {rerun: 1}\n")
	for name, use := range map[string]func() error{
		"create": func() error {
			_, err := Create(t.Context(), changed, CreateOptions{Logger: w.logger()})
			return err
		},
		"snapshot": func() error {
			return assembly.Snapshot(t.Context(), changed, assembly.WorkerOptions{Logger: w.logger()})
		},
		"streamer": func() error {
			return assembly.Streamer(t.Context(), changed, assembly.WorkerOptions{Apply: true, Logger: w.logger()})
		},
		"sweep": func() error {
			_, err := Sweep(t.Context(), changed, SweepOptions{Logger: w.logger()})
			return err
		},
		"replay": func() error {
			return Replay(t.Context(), changed, ReplayOptions{NewTableUnused: true, Logger: w.logger()})
		},
	} {
		err := use()
		_, refused := errors.AsType[*assembly.ConfigChangedError](err)
		require.ErrorContains(t, err, "change it back, or create another migration")
		require.ErrorContains(t, err, "Fixed by create are attributes.deleted, ")
		require.ErrorContains(t, err, "Everything else may be changed")
		require.True(t, refused, "%s: %v", name, err)
		require.Contains(t, err.Error(), `snapshot.segments: recorded "64", now "3"`, name)
	}
}

// Kafka that is not there is named, and waited for no longer than a person would. A real port refuses.
func TestNoKafka(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.brokers = "127.0.0.1:1"
	report, err := Create(t.Context(), w.config(""), CreateOptions{EnableStream: true, Logger: w.logger()})
	require.Error(t, err)
	require.Equal(t, "Kafka", report.Checks[0].What)
	require.True(t, strings.Contains(report.Checks[0].Problem, "127.0.0.1:1"), report.Checks[0].Problem)
}

// lossy is a log that takes what it is given, and may not say so.
type lossy struct {
	entries []checkpoint.Entry
	answers []error // to Append, in turn; then all is well
	first   []byte  // what another process appends just before
}

func (l *lossy) Append(_ context.Context, entries ...checkpoint.Entry) (err error) {
	if l.first != nil {
		l.entries = append(l.entries, checkpoint.Entry{Offset: int64(len(l.entries)), Key: []byte("control"), Value: l.first})
	}
	for _, e := range entries {
		e.Offset = int64(len(l.entries))
		l.entries = append(l.entries, e)
	}
	if len(l.answers) > 0 {
		err, l.answers = l.answers[0], l.answers[1:]
	}
	return err
}

func (l *lossy) Read(_ context.Context, from int64, visit func(checkpoint.Entry) error) (int64, error) {
	for _, e := range l.entries[from:] {
		if err := visit(e); err != nil {
			return from, err
		}
	}
	return int64(len(l.entries)), nil
}

// The answer to the entry may be lost, and another create may be first: both times there is one record, and create succeeds.
func TestCreateAppends(t *testing.T) {
	t.Parallel()
	lost := &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "append", Err: context.DeadlineExceeded}
	another, err := json.Marshal(checkpoint.ControlEntry{By: "another", Created: &checkpoint.Created{Generation: 1}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		log     *lossy
		created bool
	}{
		"at once":              {&lossy{}, true},
		"the answer is lost":   {&lossy{answers: []error{lost}}, true},
		"another was first":    {&lossy{first: another}, false},
		"the log has it since": {&lossy{entries: []checkpoint.Entry{{Key: []byte("control"), Value: another}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			creation := &creation{
				Parts: &assembly.Parts{Config: &migration.Config{}, Logger: slog.New(slog.DiscardHandler)}, report: &CreateReport{},
			}
			require.NoError(t, creation.append(t.Context(), checkpoint.NewControl(c.log, "test")))
			require.Equal(t, c.created, creation.report.Created)
			require.Equal(t, !c.created, creation.report.Existed)
			state, err := checkpoint.NewControl(c.log, "reader").Refresh(t.Context())
			require.NoError(t, err)
			require.NotNil(t, state.Created)
		})
	}
}
