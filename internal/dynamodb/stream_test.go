package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/checkpoint"
	"github.com/crossfadedb/crossfade/internal/checkpoint/checkpointtest"
	embedded "github.com/crossfadedb/crossfade/internal/embedded/dynamodb"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// newStream returns the stream of the table.
func newStream(t *testing.T, table *Table) *Stream {
	t.Helper()
	d, err := table.Describe(t.Context())
	require.NoError(t, err)
	return NewStream(table, d.Stream, schema)
}

// change writes the row pk, 1 with this value.
func change(t *testing.T, table *Table, pk string, value int) {
	t.Helper()
	put(t, table, fmt.Sprintf(`{"pk":{"S":%q},"sk":{"N":"1"},"x":{"N":"%d"}}`, pk, value))
}

func iterator(t *testing.T, s *Stream, shard string, from capture.From) string {
	t.Helper()
	i, err := s.Iterator(t.Context(), shard, from)
	require.NoError(t, err)
	require.NotEmpty(t, i)
	return i
}

// readAll reads until a page has nothing, or the shard ends; next is empty exactly then.
func readAll(t *testing.T, s *Stream, from string) (changes []capture.Change, next string) {
	t.Helper()
	for next = from; next != ""; {
		page, err := s.Records(t.Context(), next)
		require.NoError(t, err)
		changes, next = append(changes, page.Changes...), page.Next
		if len(page.Changes) == 0 {
			break
		}
	}
	return changes, next
}

func positions(changes []capture.Change) (all []events.Position) {
	for _, c := range changes {
		all = append(all, c.Position)
	}
	return all
}

func TestLineageOfASplit(t *testing.T) {
	t.Parallel()
	table, server, _ := newTable(t, embedded.Options{})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	require.Len(t, shards, 1)
	parent := shards[0]
	require.Empty(t, parent.Parent)
	require.Empty(t, parent.End, "it is open")
	require.NotEmpty(t, parent.Start)

	const keys = 8
	for k := range keys {
		change(t, table, fmt.Sprint(k), 1)
	}
	before, next := readAll(t, stream, iterator(t, stream, parent.ID, capture.From{At: parent.Start}))
	require.Len(t, before, keys)
	require.NotEmpty(t, next, "an open shard has no end")
	require.NoError(t, server.SplitShard("orders", parent.ID))
	for k := range keys {
		change(t, table, fmt.Sprint(k), 2)
	}

	more, next := readAll(t, stream, next)
	require.Empty(t, more, "the parent has nothing after the split")
	require.Empty(t, next, "the parent has ended")
	shards, err = stream.Shards(t.Context())
	require.NoError(t, err)
	require.Len(t, shards, 3)
	require.Equal(t, parent.ID, shards[0].ID)
	require.GreaterOrEqual(t, shards[0].End, before[keys-1].Position)
	var after []capture.Change
	for _, child := range shards[1:] {
		require.Equal(t, parent.ID, child.Parent)
		require.Greater(t, child.Start, shards[0].End)
		changes, _ := readAll(t, stream, iterator(t, stream, child.ID, capture.From{At: child.Start}))
		require.NotEmpty(t, changes)
		after = append(after, changes...)
	}
	seen := map[events.Key]bool{}
	for _, c := range after {
		require.Contains(t, string(c.Item), `"x":{"N":"2"}`)
		seen[c.Key] = true
	}
	require.Len(t, after, keys)
	require.Len(t, seen, keys)
}

// Of a stream that was turned off, the shards without children are the last.
func TestLastShards(t *testing.T) {
	t.Parallel()
	table, server, _ := newTable(t, embedded.Options{})
	stream := newStream(t, table)
	lasts := func() (ids []string) {
		shards, err := stream.Shards(t.Context())
		require.NoError(t, err)
		for _, s := range shards {
			if s.Last {
				ids = append(ids, s.ID)
			}
		}
		return ids
	}
	require.NoError(t, server.SplitAll("orders"))
	require.Empty(t, lasts())
	open, err := server.OpenShards("orders")
	require.NoError(t, err)
	require.Len(t, open, 2)
	must(t, table, "UpdateTable", `{"TableName":"orders","StreamSpecification":{"StreamEnabled":false}}`)
	require.Equal(t, open, lasts())
}

// DescribeStream answers at most 100 shards at a time.
func TestShardsOverPages(t *testing.T) {
	t.Parallel()
	table, server, _ := newTable(t, embedded.Options{Shards: 90})
	require.NoError(t, server.SplitAll("orders"))
	shards, err := newStream(t, table).Shards(t.Context())
	require.NoError(t, err)
	ids := map[string]bool{}
	for _, s := range shards {
		require.True(t, s.Parent == "" || ids[s.Parent], "a parent comes before its children")
		ids[s.ID] = true
	}
	require.Len(t, shards, 270)
	require.Len(t, ids, 270)
}

func TestIterator(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"", "7", "999999999999999999998", "123456789012345678901234567890123456789"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			table, _, _ := newTable(t, embedded.Options{FirstSequence: first})
			stream := newStream(t, table)
			shards, err := stream.Shards(t.Context())
			require.NoError(t, err)
			for i := range 5 {
				change(t, table, "a", i)
			}
			all, _ := readAll(t, stream, iterator(t, stream, shards[0].ID, capture.From{Oldest: true}))
			require.Len(t, all, 5)
			want := positions(all)
			require.True(t, slices.IsSorted(want))
			for name, c := range map[string]struct {
				from capture.From
				want []events.Position
			}{
				"at the start":       {capture.From{At: shards[0].Start}, want},
				"at a record":        {capture.From{At: want[2]}, want[2:]},
				"after a record":     {capture.From{After: want[2]}, want[3:]},
				"after the last":     {capture.From{After: want[4]}, nil},
				"after, with start":  {capture.From{After: want[1], At: shards[0].Start}, want[2:]},
				"after, with oldest": {capture.From{After: want[1], At: shards[0].Start, Oldest: true}, want[2:]},
				"oldest, with start": {capture.From{At: want[3], Oldest: true}, want},
				"from nowhere":       {capture.From{}, want},
			} {
				got, _ := readAll(t, stream, iterator(t, stream, shards[0].ID, c.from))
				require.Equal(t, c.want, positions(got), name)
			}
		})
	}
}

// A resumed reader sees what came in the meantime, and nothing twice.
func TestResumeOverManyPages(t *testing.T) {
	t.Parallel()
	table, _, _ := newTable(t, embedded.Options{})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	const changes = 40
	for i := range changes {
		put(t, table, fmt.Sprintf(`{"pk":{"S":"a"},"sk":{"N":"%d"},"x":{"S":"%s"}}`, i, strings.Repeat("y", 100<<10)))
	}
	var keys []events.Key
	pages, from := 0, capture.From{At: shards[0].Start}
	for {
		page, err := stream.Records(t.Context(), iterator(t, stream, shards[0].ID, from)) // as if each page was read by another worker
		require.NoError(t, err)
		require.NotEmpty(t, page.Next)
		if len(page.Changes) == 0 {
			break
		}
		pages++
		for _, c := range page.Changes {
			keys = append(keys, c.Key)
			from.After = c.Position
		}
	}
	require.Greater(t, pages, 1)
	require.Len(t, keys, changes)
	for i, k := range keys {
		require.Equal(t, keyAt("a", i), k)
	}
}

func TestEmptyPageIsNotTheEnd(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	change(t, table, "a", 1)
	start := iterator(t, stream, shards[0].ID, capture.From{At: shards[0].Start})
	f.always(embedded.Fault{Empty: true})
	page, err := stream.Records(t.Context(), start)
	require.NoError(t, err)
	require.Empty(t, page.Changes)
	require.NotEmpty(t, page.Next)
	f.set(nil)
	page, err = stream.Records(t.Context(), page.Next)
	require.NoError(t, err)
	require.Len(t, page.Changes, 1)
}

func TestChangesOfAllKinds(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_790_000_000, 0).UTC()
	table, _, _ := newTable(t, embedded.Options{Clock: func() time.Time { return at }})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	const first, second = `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"M":{}},"y":{"L":[{"M":{}}]}}`, `{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"{}"}}`
	put(t, table, first)
	put(t, table, second)
	must(t, table, "DeleteItem", `{"TableName":"orders","Key":`+string(keyAt("a", 1))+`}`)
	changes, _ := readAll(t, stream, iterator(t, stream, shards[0].ID, capture.From{At: shards[0].Start}))
	require.Len(t, changes, 3)
	for i, want := range []string{first, second} {
		require.Equal(t, events.Write, changes[i].Op)
		require.JSONEq(t, want, string(changes[i].Item))
	}
	require.Equal(t, events.Delete, changes[2].Op)
	require.Nil(t, changes[2].Item)
	for _, c := range changes {
		require.Equal(t, keyAt("a", 1), c.Key)
		require.Equal(t, at, c.Time)
		require.Nil(t, c.Bad)
	}
}

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestTrimmedExpiredAndGone(t *testing.T) {
	t.Parallel()
	now := &clock{time.Unix(1_790_000_000, 0)}
	table, server, _ := newTable(t, embedded.Options{Clock: now.now})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	shard := shards[0]
	change(t, table, "a", 1)
	change(t, table, "a", 2)
	old, next := readAll(t, stream, iterator(t, stream, shard.ID, capture.From{At: shard.Start}))
	require.Len(t, old, 2)

	now.at = now.at.Add(16 * time.Minute)
	_, err = stream.Records(t.Context(), next)
	require.ErrorIs(t, err, capture.ErrExpired)
	held := iterator(t, stream, shard.ID, capture.From{Oldest: true})

	now.at = now.at.Add(time.Minute)
	server.TrimBefore(now.at)
	change(t, table, "a", 3)
	_, err = stream.Records(t.Context(), held)
	require.ErrorIs(t, err, capture.ErrTrimmed, "records were trimmed under the iterator")
	below, err := events.ParsePosition("1")
	require.NoError(t, err)
	for name, from := range map[string]capture.From{
		"at the start":            {At: shard.Start},
		"at a trimmed record":     {At: old[0].Position},
		"after a trimmed record":  {After: old[0].Position},
		"after, oldest as well":   {After: old[0].Position, Oldest: true},
		"below the shard's start": {After: below},
	} {
		_, err = stream.Iterator(t.Context(), shard.ID, from)
		require.ErrorIs(t, err, capture.ErrTrimmed, name)
	}
	left, _ := readAll(t, stream, iterator(t, stream, shard.ID, capture.From{At: shard.Start, Oldest: true}))
	require.Len(t, left, 1)

	require.NoError(t, server.CloseShard("orders", shard.ID))
	now.at = now.at.Add(time.Minute)
	server.TrimBefore(now.at)
	_, err = stream.Iterator(t.Context(), shard.ID, capture.From{After: left[0].Position})
	require.ErrorIs(t, err, capture.ErrNoShard)
}

func TestClassOfAStreamError(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	start := iterator(t, stream, shards[0].ID, capture.From{})
	calls := map[string]func() error{
		"shards":   func() error { _, err := stream.Shards(t.Context()); return err },
		"iterator": func() error { _, err := stream.Iterator(t.Context(), shards[0].ID, capture.From{}); return err },
		"records":  func() error { _, err := stream.Records(t.Context(), start); return err },
	}
	for name, call := range calls {
		for code, class := range map[string]fault.Class{
			"LimitExceededException": fault.Retry, "ThrottlingException": fault.Retry, "InternalServerError": fault.Retry,
			"AccessDeniedException": fault.Fatal, "SerializationException": fault.Fatal,
		} {
			f.always(embedded.Fault{Refuse: &embedded.Error{Code: code, Message: "m"}})
			err := call()
			require.Error(t, err, "%s: %s", name, code)
			require.Equal(t, class, fault.Of(err), "%s: %v", name, err)
		}
		f.always(embedded.Fault{Lose: true})
		require.Equal(t, fault.Retry, fault.Of(call()), name)
	}
	f.always(embedded.Fault{Refuse: &embedded.Error{Code: "ResourceNotFoundException", Message: "m"}})
	require.Equal(t, fault.Fatal, fault.Of(calls["shards"]()), "without the stream there is no shard to speak of")
}

// A refusal alone does not say that a shard is gone, or trimmed: the stream is asked.
func TestRefusalIsNoFactAboutAShard(t *testing.T) {
	t.Parallel()
	table, _, f := newTable(t, embedded.Options{})
	stream := newStream(t, table)
	shards, err := stream.Shards(t.Context())
	require.NoError(t, err)
	shard := shards[0]
	start := iterator(t, stream, shard.ID, capture.From{})
	below, err := events.ParsePosition("1")
	require.NoError(t, err)
	notFound := &embedded.Error{Code: "ResourceNotFoundException", Message: "m"}
	invalid := &embedded.Error{Code: "ValidationException", Message: "m"}
	refusing := func(answers map[string]*embedded.Error) {
		f.set(func(c embedded.Call) embedded.Fault { return embedded.Fault{Refuse: answers[c.Operation]} })
	}
	for name, c := range map[string]struct {
		answers map[string]*embedded.Error
		shard   string
		from    capture.From
		want    error       // one that capture decides about, or
		class   fault.Class // this
	}{
		"the shard is listed":              {map[string]*embedded.Error{"GetShardIterator": notFound}, shard.ID, capture.From{}, nil, fault.Retry},
		"the shard is not listed":          {nil, "shardId-00000000000000000000-00000000", capture.From{}, capture.ErrNoShard, 0},
		"the stream is not there":          {map[string]*embedded.Error{"GetShardIterator": notFound, "DescribeStream": notFound}, shard.ID, capture.From{}, nil, fault.Fatal},
		"the stream does not answer":       {map[string]*embedded.Error{"GetShardIterator": notFound, "DescribeStream": embedded.InternalError()}, shard.ID, capture.From{}, nil, fault.Retry},
		"an invalid request":               {map[string]*embedded.Error{"GetShardIterator": invalid}, shard.ID, capture.From{}, nil, fault.Fatal},
		"an invalid request at the start":  {map[string]*embedded.Error{"GetShardIterator": invalid}, shard.ID, capture.From{At: shard.Start}, nil, fault.Fatal},
		"before the shard's start":         {map[string]*embedded.Error{"GetShardIterator": invalid}, shard.ID, capture.From{After: below}, capture.ErrTrimmed, 0},
		"before the start, and no listing": {map[string]*embedded.Error{"GetShardIterator": invalid, "DescribeStream": embedded.InternalError()}, shard.ID, capture.From{After: below}, nil, fault.Retry},
	} {
		refusing(c.answers)
		_, err := stream.Iterator(t.Context(), c.shard, c.from)
		requireAbout(t, err, c.want, c.class, name)
	}
	for name, c := range map[string]struct {
		answers map[string]*embedded.Error
		want    error
		class   fault.Class
	}{
		"the shard has gone, and the stream has not": {map[string]*embedded.Error{"GetRecords": notFound}, capture.ErrNoShard, 0},
		"the stream has gone":                        {map[string]*embedded.Error{"GetRecords": notFound, "DescribeStream": notFound}, nil, fault.Fatal},
		"the stream does not answer":                 {map[string]*embedded.Error{"GetRecords": notFound, "DescribeStream": embedded.InternalError()}, nil, fault.Retry},
		"an invalid request":                         {map[string]*embedded.Error{"GetRecords": invalid}, nil, fault.Fatal},
	} {
		refusing(c.answers)
		_, err := stream.Records(t.Context(), start)
		requireAbout(t, err, c.want, c.class, name)
	}
}

// requireAbout requires an error that capture decides about, or, where want is nil, one of this class that it does not.
func requireAbout(t *testing.T, err, want error, class fault.Class, name string) {
	t.Helper()
	if want != nil {
		require.ErrorIs(t, err, want, name)
		return
	}
	for _, decided := range []error{capture.ErrTrimmed, capture.ErrNoShard, capture.ErrExpired} {
		require.NotErrorIs(t, err, decided, name)
	}
	_, classified := errors.AsType[*fault.Error](err)
	require.True(t, classified, "%s: %v", name, err)
	require.Equal(t, class, fault.Of(err), "%s: %v", name, err)
}

// An answer that says nothing is not the end of a segment or of a shard, nor a table, a stream without shards, or a place to
// read from.
func TestAnswerThatSaysNothing(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{}`, `{ }`, `{"Other":1}`} {
		table := open(t, "orders", answering(answer))
		_, err := table.scan(t.Context(), scanRequest{total: 1})
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		_, err = NewSource(table, schema).Scan(t.Context(), 0, 1, nil)
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		_, err = table.Describe(t.Context())
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		stream := NewStream(table, "arn", schema)
		_, err = stream.Records(t.Context(), "i")
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		_, err = stream.Shards(t.Context())
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
		_, err = stream.Iterator(t.Context(), "s", capture.From{})
		require.Equal(t, fault.Retry, fault.Of(err), "%v", err)
	}
	page, err := NewStream(open(t, "orders", answering(`{"Records":[]}`)), "arn", schema).Records(t.Context(), "i")
	require.NoError(t, err)
	require.Empty(t, page.Next, "this is the end")
}

// record is one record as GetRecords answers it.
func record(event, sequence, keys, image string) string {
	if image != "" {
		image = `,"NewImage":` + image
	}
	return fmt.Sprintf(`{"eventID":"1","eventName":%q,"dynamodb":{"ApproximateCreationDateTime":1.79E9,"Keys":%s%s,"SequenceNumber":%q,"SizeBytes":9}}`, event, keys, image, sequence)
}

func TestOddRecords(t *testing.T) {
	t.Parallel()
	const keys, image = `{"sk":{"N":"1.0"},"pk":{"S":"a"}}`, "{\"pk\" : {\"S\":\"\\u0061\"},\t\"sk\":{\"N\":\"1\"},\"x\":{\"S\":\"\\ud83d\\ude00\"}}"
	good := record("MODIFY", "100000000000000000001", keys, image)
	read := func(records ...string) (capture.Page, error) {
		table := open(t, "orders", answering(`{"NextShardIterator":null,"Records":[`+strings.Join(records, ",")+`]}`))
		return NewStream(table, "arn", schema).Records(t.Context(), "i")
	}
	page, err := read(good)
	require.NoError(t, err)
	require.Empty(t, page.Next)
	require.Len(t, page.Changes, 1)
	require.Equal(t, image, string(page.Changes[0].Item), "the very bytes")
	require.Equal(t, keyAt("a", 1), page.Changes[0].Key)

	for name, c := range map[string]struct{ record, raw string }{
		"keys of another table": {record("INSERT", "2", `{"id":{"S":"a"}}`, image), image},
		"too few keys":          {record("INSERT", "2", `{"pk":{"S":"a"}}`, image), image},
		"delete of a bad key":   {record("REMOVE", "2", `{"pk":{"N":"1"},"sk":{"N":"1"}}`, ""), `{"pk":{"N":"1"},"sk":{"N":"1"}}`},
	} {
		page, err := read(good, c.record, good)
		require.NoError(t, err, name)
		require.Len(t, page.Changes, 3, name)
		bad := page.Changes[1]
		require.NotNil(t, bad.Bad, name)
		require.Equal(t, events.KeyMismatch, bad.Bad.Reason, name)
		require.Equal(t, c.raw, string(bad.Raw), name)
		require.Equal(t, "2", bad.Position.Number(), name)
	}

	for name, text := range map[string]string{
		"no image":           record("INSERT", "2", keys, ""),
		"unknown event":      record("MOVE", "2", keys, image),
		"no sequence number": record("INSERT", "", keys, image),
		"sequence of words":  record("INSERT", "two", keys, image),
	} {
		_, err := read(good, text)
		require.Error(t, err, name)
		require.Equal(t, fault.Fatal, fault.Of(err), "%s: leaving it out would lose it: %v", name, err)
		require.ErrorIs(t, err, capture.ErrUnreadable, name)
	}
	_, err = read(good[:len(good)-1])
	require.Equal(t, fault.Retry, fault.Of(err), "a cut answer: %v", err)
}

// asked keeps the bodies of one operation's requests.
type asked struct {
	next      http.RoundTripper
	operation string
	mu        sync.Mutex
	bodies    []string
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+a.operation) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		a.mu.Lock()
		a.bodies = append(a.bodies, string(body))
		a.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return a.next.RoundTrip(r)
}

type fresh struct{}

func (fresh) Fresh() error { return nil }

// Whatever happens (children, restarts, iterators that expire, shards that are still empty), reading never begins at
// LATEST, and so nothing is left out.
func TestLatestIsNeverAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, server, f := newTable(t, embedded.Options{Shards: 2})
		transport := &asked{next: server.Transport(), operation: "GetShardIterator"}
		stream := newStream(t, open(t, "orders", transport))
		log := &checkpointtest.Log{}
		_, err := capture.Start(t.Context(), stream, checkpoint.NewFacts(log, "create", time.Minute), 1)
		require.NoError(t, err)
		var mu sync.Mutex // the shards are published at the same time
		published := map[string]bool{}
		run := func(name string, during func()) {
			worker := capture.New(capture.Config{
				Stream: stream, Watch: fresh{}, Generation: 1, Grace: time.Minute, Lineage: time.Second, Facts: checkpoint.NewFacts(log, name, time.Minute),
				Publish: func(_ context.Context, records []events.Record) error {
					mu.Lock()
					defer mu.Unlock()
					for _, r := range records {
						version, _ := r.Header(events.HeaderVersion)
						published[string(r.Key)+version] = true
					}
					return nil
				},
			})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- worker.Run(ctx, []int{0}, 1) }()
			time.Sleep(time.Minute) // the shards are seen empty
			during()
			time.Sleep(time.Minute)
			cancel()
			require.NoError(t, <-ended)
		}
		changes := 0
		some := func() {
			for range 10 {
				change(t, table, fmt.Sprint(changes%4), changes)
				changes++
			}
		}
		for i := range 4 {
			run(fmt.Sprint("worker ", i), func() {
				some()
				require.NoError(t, server.SplitAll("orders"))
				expired := 0
				f.set(func(c embedded.Call) embedded.Fault {
					if c.Operation == "GetRecords" && expired < 3 {
						expired++
						return embedded.Fault{Refuse: &embedded.Error{Code: "ExpiredIteratorException", Message: "Iterator expired"}}
					}
					return embedded.Fault{}
				})
				some()
			})
			f.set(nil)
			some() // while nobody reads
		}
		run("last", func() {})
		require.Len(t, published, changes)
		require.NotEmpty(t, transport.bodies)
		for _, body := range transport.bodies {
			require.NotContains(t, body, "LATEST")
		}
	})
}
