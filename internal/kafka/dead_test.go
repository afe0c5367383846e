package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/crossfadedb/crossfade/internal/events"
)

// The dlq is read from anywhere, up to anywhere, and a record of somebody else in it is no error.
func TestDeadLettersAreReadBack(t *testing.T) {
	c := open(t)
	c.create(t, "dlq", 1)
	read := func(from int64, most int) (found []Dead, next, end int64) {
		next, end, err := c.DeadLetters(t.Context(), "dlq", from, func(d Dead) bool {
			found = append(found, d)
			return len(found) < most
		})
		require.NoError(t, err)
		return found, next, end
	}
	none, next, end := read(0, 10)
	require.Empty(t, none)
	require.Zero(t, next+end)

	live := events.TopicPartition{Topic: "live", Partition: 3}
	bury := c.DeadLetter("dlq")
	for n := range int64(4) {
		record := events.Record{TopicPartition: live, Offset: 40 + n, Key: []byte("k"), Value: []byte("v")}
		record.Headers = []events.Header{{Key: HeaderReason, Value: []byte("of the application's own")}}
		require.NoError(t, bury(t.Context(), record, &events.Invalid{Reason: events.TooLarge, Detail: "too large"}))
	}
	foreign := []*events.Record{{Key: []byte("x"), Headers: []events.Header{{Key: HeaderPartition, Value: []byte("many")}}}}
	_, err := c.produce(t.Context(), events.TopicPartition{Topic: "dlq"}, foreign, 0)
	require.NoError(t, err)

	found, next, end := read(0, 10)
	require.Len(t, found, 5)
	require.Equal(t, Dead{Offset: 0, Reason: events.TooLarge, From: live, FromOffset: 40, Key: []byte("k"), Value: []byte("v")}, found[0])
	require.Equal(t, Dead{Offset: 4, From: events.TopicPartition{Partition: -1}, FromOffset: -1, Key: []byte("x")}, found[4])
	require.Equal(t, []int64{5, 5}, []int64{next, end})
	found, next, end = read(1, 2)
	require.Len(t, found, 2)
	require.Equal(t, int64(42), found[1].FromOffset)
	require.Equal(t, []int64{3, 5}, []int64{next, end})
	found, next, _ = read(9, 2)
	require.Empty(t, found)
	require.EqualValues(t, 9, next, "the caller sees that the end is before it")
}
