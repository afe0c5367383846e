package events

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

// drawEvent draws an event of a row that text gives the key of.
func drawEvent(t *rapid.T) (*Decoder, Event) {
	k := drawPlainKey(t)
	d := NewDecoder(k.schema)
	key, err := d.Key(k.text(t))
	require.NoError(t, err)
	e := Event{Key: key, Op: rapid.SampledFrom([]Op{Write, Delete, Tombstone}).Draw(t, "op")}
	if rapid.Bool().Draw(t, "versioned") {
		e.Version = drawVersion(t, "version")
		e.Source = rapid.SampledFrom([]string{"", "7/64", "shardId-00000001"}).Draw(t, "source")
	} else if rapid.Bool().Draw(t, "positioned") {
		e.Position = PositionAt(rapid.Uint64().Draw(t, "position"))
	}
	if rapid.Bool().Draw(t, "timed") {
		e.Time = time.UnixMilli(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "ms")).UTC()
	}
	if e.Op == Write {
		e.Item, err = d.Item(k.text(t, `"one attribute more":`+eventstest.TypedValue(t, 2)))
		require.NoError(t, err)
	}
	return d, e
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, e := drawEvent(t)
		r := Encode(e)
		require.Equal(t, e.Op == Write, r.Value != nil, "null exactly for what has no item")
		got, err := d.Record(r)
		require.NoError(t, err)
		require.Equal(t, e, got)
		usual, ok := d.written(r, meaningful(r.Headers))
		require.Equal(t, e.Op == Write, ok, "the short way is for writes, and takes all of ours")
		if e.Op == Write {
			require.Equal(t, e, usual)
			require.Equal(t, string(e.Item.Raw), string(r.Value), "byte for byte")
		}
	})
}

func headersOf(pairs ...string) []Header {
	var all []Header
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, Header{pairs[i], []byte(pairs[i+1])})
	}
	return all
}

func TestRecordOp(t *testing.T) {
	const key, item = `{"pk":{"S":"1"}}`, `{"pk":{"S":"1"},"a":{"N":"1"}}`
	for _, c := range []struct {
		name    string
		value   []byte
		headers []Header
		want    Op // 0: refused
	}{
		{"an item alone", []byte(item), nil, Write},
		{"null alone", nil, nil, Delete},
		{"no bytes", []byte{}, nil, Delete},
		{"the text null", []byte("null"), nil, Delete},
		{"write", []byte(item), headersOf("op", "write"), Write},
		{"delete", nil, headersOf("op", "delete"), Delete},
		{"tombstone", nil, headersOf("op", "tombstone"), Tombstone},
		{"tombstone with the text null", []byte("null"), headersOf("op", "tombstone"), Tombstone},
		{"the last header counts", nil, headersOf("op", "write", "op", "tombstone"), Tombstone},
		{"other headers do not count", []byte(item), headersOf("Op", "delete", "traceparent", "00-1-2-3"), Write},
		{"write of null", nil, headersOf("op", "write"), 0},
		{"write of the text null", []byte("null"), headersOf("op", "write"), 0},
		{"delete of an item", []byte(item), headersOf("op", "delete"), 0},
		{"tombstone of an item", []byte(item), headersOf("op", "tombstone"), 0},
		{"an unknown op", []byte(item), headersOf("op", "upsert"), 0},
		{"an empty op", []byte(item), headersOf("op", ""), 0},
		{"an op in capitals", []byte(item), headersOf("op", "WRITE"), 0},
		{"none", nil, headersOf("op", "none"), 0},
		{"space", []byte(" "), nil, 0},
		{"an array", []byte("[]"), nil, 0},
	} {
		e, err := NewDecoder(pkOnly).Record(Record{Key: []byte(key), Value: c.value, Headers: c.headers})
		if c.want == 0 {
			require.Error(t, err, c.name)
			requireReason(t, err, Undecodable)
			require.Zero(t, e)
			continue // the next case
		}
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, e.Op, c.name)
		require.Equal(t, c.want == Write, e.Item.Raw != nil, c.name)
	}
}

func TestRecordHeaders(t *testing.T) {
	d := NewDecoder(pkOnly)
	for _, bad := range [][]Header{
		headersOf("version", ""), headersOf("version", "1"), headersOf("version", Version{}.String()),
		headersOf("position", ""), headersOf("position", "-1"), headersOf("position", "+1"), headersOf("position", "1.0"),
		headersOf("position", "18446744073709551616"), headersOf("position", " 1"), headersOf("position", "0x1"),
		headersOf("time", ""), headersOf("time", "now"), headersOf("time", "1.5"), headersOf("time", "9223372036854775808"),
	} {
		_, err := d.Record(Record{Key: []byte(`{"pk":{"S":"1"}}`), Headers: bad})
		require.Error(t, err, "%v", bad)
		requireReason(t, err, Undecodable)
		require.NotNil(t, errors.Unwrap(err), "the cause is named")
	}
	e, err := d.Record(Record{Key: []byte(`{"pk":{"S":"1"}}`), Headers: headersOf(
		"position", "18446744073709551615", "time", "-1", "source", "7/64", "version", Version{Generation: 1}.String())})
	require.NoError(t, err)
	require.Equal(t, PositionAt(1<<64-1), e.Position)
	require.Equal(t, int64(-1), e.Time.UnixMilli())
	require.Equal(t, "7/64", e.Source)
	require.Equal(t, Version{Generation: 1}, e.Version)
}

func TestRecordKeyMismatch(t *testing.T) {
	for name, r := range map[string]Record{
		"no key":                       {Value: []byte(`{"pk":{"S":"1"}}`)},
		"an empty key":                 {Key: []byte{}, Value: []byte(`{"pk":{"S":"1"}}`)},
		"a bare key":                   {Key: []byte("1"), Value: []byte(`{"pk":{"S":"1"}}`)},
		"a key of another type":        {Key: []byte(`{"pk":{"N":"1"}}`)},
		"another key than the item's":  {Key: []byte(`{"pk":{"S":"1"}}`), Value: []byte(`{"pk":{"S":"2"}}`)},
		"an item without its key":      {Key: []byte(`{"pk":{"S":"1"}}`), Value: []byte(`{"a":{"S":"1"}}`)},
		"an item of another key type":  {Key: []byte(`{"pk":{"S":"1"}}`), Value: []byte(`{"pk":{"N":"1"}}`)},
		"an attribute more in the key": {Key: []byte(`{"pk":{"S":"1"},"a":{"S":"1"}}`), Value: []byte(`{"pk":{"S":"1"},"a":{"S":"1"}}`)},
	} {
		_, err := NewDecoder(pkOnly).Record(r)
		require.Error(t, err, name)
		requireReason(t, err, KeyMismatch)
	}
	_, err := NewDecoder(schemaOf("N")).Record(Record{Key: []byte(`{"pk":{"N":"1.0"}}`), Value: []byte(`{"pk":{"N":"1"}}`)})
	require.NoError(t, err, "two texts of one key are one key")
}

func TestRecordSizeCountsWhatIsKept(t *testing.T) {
	r := Record{Key: make([]byte, 10), Value: make([]byte, 1000), Headers: headersOf("a", "bcd")}
	require.GreaterOrEqual(t, r.Size(), 10+1000+4)
	require.Positive(t, Record{}.Size(), "a record without bytes still costs memory")
}

func TestNames(t *testing.T) {
	require.Equal(t, []string{"none", "write", "delete", "tombstone", "none"},
		[]string{Op(0).String(), Write.String(), Delete.String(), Tombstone.String(), Op(9).String()})
	require.Equal(t, "orders.live/3", Record{TopicPartition: TopicPartition{"orders.live", 3}}.String())
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"pk":{"S":"1"}}`), []byte(`{"pk":{"S":"1"},"a":{"N":"1"}}`), "write", Version{Generation: 1}.String(), "1", "42")
	f.Add([]byte(`{"pk":{"S":"1"}}`), []byte(nil), "tombstone", "", "", "")
	f.Add([]byte(`{"pk":{"S":"\u00e9"}}`), []byte("null"), "", "", "-5", "7")
	d := NewDecoder(pkOnly)
	f.Fuzz(func(t *testing.T, key, value []byte, op, version, ms, position string) {
		r := Record{Key: key, Value: value}
		for name, text := range map[string]string{HeaderOp: op, HeaderVersion: version, HeaderTime: ms, HeaderPosition: position} {
			if text != "" {
				r.Headers = append(r.Headers, Header{name, []byte(text)})
			}
		}
		e, err := d.Record(r)
		slow, slowErr := d.record(r, meaningful(r.Headers))
		require.Equal(t, slow, e)
		require.Equal(t, slowErr, err)
		if err != nil {
			_, ok := errors.AsType[*Invalid](err)
			require.True(t, ok, "%v", err)
			return // refused
		}
		again, err := d.Record(Encode(e))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

func ExampleEncode() {
	d := NewDecoder(KeySchema{{Name: "id", Type: "N"}})
	item, err := d.Item([]byte(`{"id":{"N":"7.0"},"name":{"S":"Québec"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := d.schema.Key(item)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := Encode(Event{Key: key, Op: Write, Version: Version{Generation: 1}, Item: item, Source: "3/64"})
	fmt.Println(string(r.Key), string(r.Value))
	for _, h := range r.Headers {
		fmt.Println(h.Key, strconv.Quote(string(h.Value)))
	}
	// Output:
	// {"id":{"N":"7"}} {"id":{"N":"7.0"},"name":{"S":"Québec"}}
	// op "write"
	// version "000001.0.0000000000000000000000000000000000000000.0000"
	// source "3/64"
}
