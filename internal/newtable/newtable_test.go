package newtable

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/events/eventstest"
)

var (
	schema = events.KeySchema{{Name: "pk", Type: "S"}, {Name: "sk", Type: "N"}}
	names  = Attributes{Version: "cf:v", Deleted: "cf:d", Shard: "cf:s", Tombstone: "cf:t"}
	format = NewFormat(schema, names)
)

const key = `{"pk":{"S":"a"},"sk":{"N":"1"}}`

func version(position uint64) events.Version {
	return events.Version{Generation: 1, Class: events.Live, Position: events.PositionAt(position)}
}

// item is the text of an item with that key and these members.
func item(members ...string) string {
	return strings.TrimSuffix(key, "}") + strings.Join(append([]string{""}, members...), ",") + "}"
}

var (
	five      = fmt.Sprintf(`"cf:v":{"S":%q}`, version(5))
	deleted   = `"cf:d":{"N":"1700000000"}`
	shard     = `"cf:s":{"S":"shard-1"}`
	tombstone = `"cf:t":{"BOOL":true}`
	theirs    = `"x":{"S":"the application's"}`
)

// kind is an item of the new table, and what is to be read from it.
type kind struct {
	item      string
	own       bool
	version   events.Version
	strange   bool // the version is none
	deleted   string
	shard     string
	tombstone bool
	foreign   bool

	held, lower, looks, is bool // AbsentOrLower(6), AbsentOrLower(5), Deleted; Is of what was read
}

// kinds are all kinds of items that the new table may have.
func kinds() map[string]kind {
	return map[string]kind{
		"an own row":                       {item: item(theirs), own: true, foreign: true},
		"an own row that is a key alone":   {item: item(), own: true},
		"a copy":                           {item: item(five, theirs), version: version(5), foreign: true, held: true},
		"a copy that is a key alone":       {item: item(five), version: version(5), held: true},
		"a marker":                         {item: item(five, deleted), version: version(5), deleted: "1700000000", held: true, looks: true, is: true},
		"a marker of a shard":              {item: item(five, deleted, shard), version: version(5), deleted: "1700000000", shard: "shard-1", held: true, looks: true, is: true},
		"a tombstone":                      {item: item(five, deleted, shard, tombstone), version: version(5), deleted: "1700000000", shard: "shard-1", tombstone: true, held: true, looks: true, is: true},
		"an own marker":                    {item: item(deleted), own: true, deleted: "1700000000", looks: true, is: true},
		"a marker that has been updated":   {item: item(five, deleted, shard, theirs), version: version(5), deleted: "1700000000", shard: "shard-1", foreign: true, held: true, looks: true, is: true},
		"an own marker with attributes":    {item: item(deleted, theirs), own: true, deleted: "1700000000", foreign: true, looks: true, is: true},
		"a version that is none":           {item: item(`"cf:v":{"S":"v3"}`), strange: true},
		"a marker whose version is none":   {item: item(`"cf:v":{"S":"v3"}`, deleted), strange: true, deleted: "1700000000", looks: true},
		"a version that is a number":       {item: item(`"cf:v":{"N":"3"}`)},
		"a marker whose version is a list": {item: item(`"cf:v":{"L":[]}`, deleted), deleted: "1700000000", looks: true},
		"a version that is empty":          {item: item(`"cf:v":{"S":""}`), held: true, lower: true},
		"a deleted-at that is a text":      {item: item(five, `"cf:d":{"S":"1700000000"}`), version: version(5), held: true, looks: true},
		"a shard that is a number":         {item: item(five, deleted, `"cf:s":{"N":"1"}`), version: version(5), deleted: "1700000000", held: true, looks: true, is: true},
		"escaped as nobody does":           {item: item(`"cf:\u0076":{"S":"\u0030`+version(5).String()[1:]+`"}`, `"cf:d":{"N":"17\u0030"}`), version: version(5), deleted: "170", held: true, looks: true, is: true},
	}
}

func TestItem(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			i, err := format.Parse([]byte(k.item))
			require.NoError(t, err)
			read, err := i.Key()
			require.NoError(t, err)
			require.EqualValues(t, key, read)
			require.Equal(t, k.own, i.Own())
			require.Equal(t, k.own, i.Held() == nil)
			v, err := i.Version()
			require.Equal(t, k.strange, err != nil, "%v", err)
			require.Equal(t, k.version, v)
			require.Equal(t, k.deleted, i.Deleted())
			require.Equal(t, k.deleted != "", i.Marker())
			require.Equal(t, k.shard, i.Shard())
			require.Equal(t, k.tombstone, i.Tombstone())
			require.Equal(t, k.foreign, i.Foreign())
		})
	}
	for _, text := range []string{``, `[]`, `{"pk":1}`, `{"pk":{"S":"a"}`} {
		_, err := format.Parse([]byte(text))
		require.Error(t, err, text)
	}
	i, err := format.Parse([]byte(`{"cf:v":{"S":"x"}}`))
	require.NoError(t, err)
	_, err = i.Key()
	require.Error(t, err, "without a key it is no item of this table")
}

// What is written is what is read, and every byte of the row stands in it.
func TestWhatIsWrittenIsRead(t *testing.T) {
	d := events.NewDecoder(schema)
	rapid.Check(t, func(t *rapid.T) {
		raw := []byte(eventstest.Item(t, key[1:len(key)-1], 8, append(names.Names(), "pk", "sk")...))
		row, err := d.Item(raw)
		require.NoError(t, err)
		e := events.Event{
			Key: key, Op: rapid.SampledFrom([]events.Op{events.Write, events.Delete, events.Tombstone}).Draw(t, "op"), Item: row,
			Version: version(rapid.Uint64().Draw(t, "position")), Time: time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "time"), 0),
			Source: rapid.SampledFrom([]string{"", "shard-1", `s"\é`}).Draw(t, "source"),
		}
		own := rapid.Bool().Draw(t, "own")
		write := format.AppendCopy
		if own {
			write = format.AppendOwn
		}
		text := write([]byte("before"), e)
		require.Equal(t, "before", string(text[:6]))
		i, err := format.Parse(text[6:])
		require.NoError(t, err, "%s", text)
		read, err := i.Key()
		require.NoError(t, err)
		require.EqualValues(t, key, read)
		require.Equal(t, own, i.Own())
		v, err := i.Version()
		require.NoError(t, err)
		if require.Equal(t, own, v == events.Version{}); !own {
			require.Equal(t, e.Version, v)
		}
		require.Equal(t, e.Op != events.Write, i.Marker())
		require.Equal(t, e.Op == events.Tombstone, i.Tombstone())
		if e.Op == events.Write {
			require.True(t, strings.HasSuffix(string(text), string(raw[strings.IndexByte(string(raw), '{')+1:])), "%s", text)
			require.Equal(t, row.Attributes, i.Attributes[len(i.Attributes)-len(row.Attributes):])
			return // a row
		}
		require.Equal(t, fmt.Sprint(e.Time.Unix()), i.Deleted())
		require.Equal(t, e.Source, i.Shard())
		require.False(t, i.Foreign())
	})
}

func TestAttributes(t *testing.T) {
	for _, name := range names.Names() {
		require.True(t, names.Has(name))
	}
	require.Len(t, names.Names(), 4)
	require.False(t, names.Has("pk"))
	require.False(t, names.Has(""))
	require.False(t, Attributes{}.Has(""), "the zero Attributes are none")
}

// A name may hold what JSON escapes, and what looks like a version.
func TestNamesOfAnyForm(t *testing.T) {
	for _, name := range append([]string{version(1).String(), `"},"x":{"S":"` + events.Version{Generation: 1}.String()}, eventstest.Names...) {
		f := NewFormat(events.KeySchema{{Name: name + "k", Type: "S"}}, Attributes{Version: name + "v", Deleted: name + "d", Shard: name + "s", Tombstone: name + "t"})
		row, err := events.NewDecoder(f.Schema).Item([]byte(`{` + eventstest.Quote(name+"k", false) + `:{"S":"a"}}`))
		require.NoError(t, err)
		k, err := f.Schema.Key(row)
		require.NoError(t, err)
		i, err := f.Parse(f.AppendCopy(nil, events.Event{Key: k, Op: events.Tombstone, Version: version(7), Source: "s", Time: time.Unix(9, 0)}))
		require.NoError(t, err, name)
		require.True(t, i.Is(version(7), ""), name)
		require.Equal(t, []any{"9", "s", true, false}, []any{i.Deleted(), i.Shard(), i.Tombstone(), i.Foreign()}, name)
		require.Equal(t, string(f.AbsentOrLower(version(8)).Append(nil, ConditionExpression)), string(f.AppendAbsentOrLower(nil, version(8))), name)
	}
}

func BenchmarkAppendCopy(b *testing.B) {
	raw := []byte(item(theirs))
	e := events.Event{Key: key, Op: events.Write, Item: events.Item{Raw: raw}, Version: version(5)}
	room := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		format.AppendAbsentOrLower(format.AppendCopy(room, e), e.Version)
	}
}

// The write path puts nothing on the heap.
func TestAppendAllocatesNothing(t *testing.T) {
	room := make([]byte, 0, 4096)
	for _, op := range []events.Op{events.Write, events.Delete, events.Tombstone} {
		e := events.Event{Key: key, Op: op, Item: events.Item{Raw: []byte(item(theirs))}, Version: version(5), Source: "shard-1", Time: time.Unix(9, 0)}
		require.Zero(t, testing.AllocsPerRun(100, func() { format.AppendAbsentOrLower(format.AppendCopy(room, e), e.Version) }), op)
	}
}
