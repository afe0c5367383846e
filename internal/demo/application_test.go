package demo

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
)

// memory is a table in memory. It refuses what the application must not do: two writes of one key at the same time,
// and what fail says.
type memory struct {
	t    *testing.T
	fail func(calls int) error // may be nil

	mu      sync.Mutex
	calls   int
	busy    map[string]bool
	items   map[string]string
	history map[string][]string // of each key: what was done to it
	kinds   map[string]int
}

func newMemory(t *testing.T) *memory {
	return &memory{t: t, busy: map[string]bool{}, items: map[string]string{}, history: map[string][]string{}, kinds: map[string]int{}}
}

func (m *memory) begin(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy[key] {
		m.t.Errorf("two writes of %s at the same time", key)
	}
	m.calls++
	if m.fail != nil {
		if err := m.fail(m.calls); err != nil {
			return err
		}
	}
	m.busy[key] = true
	return nil
}

func (m *memory) end(kind, key, item string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[key] = false
	m.kinds[kind]++
	m.history[key] = append(m.history[key], kind+item)
	if kind == "delete" {
		delete(m.items, key)
		return
	}
	m.items[key] = item
}

func (m *memory) do(kind, key string, item []byte) error {
	if err := m.begin(key); err != nil {
		return err
	}
	m.end(kind, key, string(item))
	return nil
}

func (m *memory) Put(_ context.Context, item []byte) error {
	return m.do("put", keyOf(m.t, item), item)
}

func (m *memory) Update(_ context.Context, key string, item []byte) error {
	return m.do("update", key, item)
}

func (m *memory) Delete(_ context.Context, key string) error { return m.do("delete", key, nil) }

func keyOf(t *testing.T, item []byte) string {
	decoded, err := events.NewDecoder(schema).Item(item)
	require.NoError(t, err)
	key, err := schema.Key(decoded)
	require.NoError(t, err)
	return string(key)
}

func TestSameSeedSameApplication(t *testing.T) {
	run := func(seed uint64, limits ...int) *memory {
		m := newMemory(t)
		a := &Application{Rows: AllTypes{Seed: seed, Count: 1000}, Table: m, Seed: seed}
		for _, limit := range limits {
			require.NoError(t, a.Run(t.Context(), limit))
		}
		return m
	}
	first := run(7, 4000)
	require.Equal(t, first.history, run(7, 4000).history, "each row's changes, in their order")
	require.Equal(t, first.history, run(7, 1500, 2500).history, "in two parts")
	require.NotEqual(t, first.history, run(8, 4000).history)
}

func TestShapeOfTheApplication(t *testing.T) {
	const count, changes = 10_000, 20_000
	m := newMemory(t)
	rows := AllTypes{Seed: 1, Count: count}
	a := &Application{Rows: rows, Table: m, Seed: 1}
	require.NoError(t, a.Run(t.Context(), changes))
	require.Equal(t, changes, a.Done())

	for _, kind := range []string{"put", "update", "delete"} {
		require.Greater(t, m.kinds[kind], changes/5, kind)
	}
	added, recreated, most := 0, 0, 0
	for key, history := range m.history {
		if key >= rows.Key(count) {
			added++
			require.Len(t, history, 1)
		}
		for i := 1; i < len(history); i++ {
			if strings.HasPrefix(history[i-1], "delete") && !strings.HasPrefix(history[i], "delete") {
				recreated++
			}
		}
		most = max(most, len(history))
	}
	require.InDelta(t, changes*newRows/100, added, changes/100)
	require.Greater(t, recreated, changes/20)
	require.Greater(t, most, changes/200, "a row that changes again and again")
	require.Greater(t, len(m.history), changes/4, "and rows that change once")
}

func TestDeletedIsWhatIsGone(t *testing.T) {
	m := newMemory(t)
	a := &Application{Rows: AllTypes{Count: 300}, Table: m}
	require.NoError(t, a.Run(t.Context(), 3000))
	require.NotEmpty(t, m.items)
	gone := 0
	for key, history := range m.history {
		_, there := m.items[key]
		require.Equal(t, !there, a.Deleted(key), "%s: %d changes", key, len(history))
		if !there {
			gone++
		}
	}
	require.Positive(t, gone)
	require.False(t, a.Deleted(`{"id":{"S":"never seen"}}`))
}

func TestRateAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		a := &Application{Rows: AllTypes{Count: 100}, Table: m, Rate: 200}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx, 0) }()
		time.Sleep(10*time.Second + time.Millisecond)
		stop()
		require.NoError(t, <-ended)
		require.Equal(t, 2001, a.Done())
		require.Equal(t, 2001, m.calls, "what was begun is finished, and nothing more")
	})
}

func TestWritesAreTriedAgain(t *testing.T) {
	busy := errors.New("busy")
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		m.fail = func(calls int) error {
			if calls%3 == 0 {
				return busy
			}
			return nil
		}
		a := &Application{Rows: AllTypes{Count: 100}, Table: m}
		require.NoError(t, a.Run(t.Context(), 500))
		require.Equal(t, 500, a.Done())
		require.Greater(t, m.calls, 600)

		m.fail = func(int) error { return busy }
		require.ErrorIs(t, a.Run(t.Context(), 500), busy, "but not for ever")
	})
}

func TestRowsOfAllTypes(t *testing.T) {
	rows := AllTypes{Seed: 3, Count: 50}
	decoder := events.NewDecoder(schema)
	seen := map[string]bool{}
	for i := range rows.Count {
		item := rows.Item(i, 0)
		require.Equal(t, item, rows.Item(i, 0))
		require.NotEqual(t, item, rows.Item(i, 1))
		require.Greater(t, len(item), 300)
		require.Less(t, len(item), 900)
		decoded, err := decoder.Item(item)
		require.NoError(t, err, "%s", item)
		require.Equal(t, rows.Key(i), keyOf(t, item))
		for _, a := range decoded.Attributes {
			kind, _, _ := strings.Cut(string(a.Value[2:]), `"`)
			seen[kind] = true
		}
		typed, err := Typed(item)
		require.NoError(t, err)
		require.Len(t, typed, len(decoded.Attributes))
	}
	require.Equal(t, []string{"B", "BOOL", "BS", "M", "N", "NS", "NULL", "S", "SS"}, slices.Sorted(maps.Keys(seen)))
	require.Contains(t, string(rows.Item(0, 0)), `{"L":[`)
}

func TestTypedRefusesWhatIsNoValue(t *testing.T) {
	for _, item := range []string{`[]`, `{"a":{}}`, `{"a":{"X":"1"}}`, `{"a":{"B":"not base64"}}`, `{"a":{"L":[{}]}}`, `{"a":{"M":{"b":{}}}}`} {
		_, err := Typed([]byte(item))
		require.Error(t, err, item)
	}
}
