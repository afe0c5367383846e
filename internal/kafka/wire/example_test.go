package wire_test

import (
	"errors"
	"fmt"
	"io"

	"github.com/crossfadedb/crossfade/internal/kafka/wire"
)

// A producer's batch of two records, without compression, and what a consumer reads in it.
func Example() {
	const now = 1_767_225_600_000 // ms since 1970
	var encoder wire.Encoder
	encoder.Begin(wire.Batch{LeaderEpoch: -1, BaseTime: now, Producer: wire.NoProducer})
	encoder.Add(&wire.Record{Offset: 0, Time: now, Key: []byte("a"), Value: []byte("1"), Headers: []wire.Header{{Key: "op", Value: []byte("write")}}})
	encoder.Add(&wire.Record{Offset: 1, Time: now, Key: []byte("b")})
	text, err := encoder.Append(nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch, rest, err := wire.Cut(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	noCodecs := func(wire.Compression) wire.Codec { return nil }
	records, err := wire.Open(batch, noCodecs, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer records.Close()
	fmt.Printf("%d bytes, %d records, next offset %d, %d bytes follow\n", len(batch), records.Count, records.Batch.Next(), len(rest))
	for {
		record, err := records.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%d: %s=%s %q, null: %t\n", record.Offset, record.Key, record.Value, record.Headers, record.Value == nil)
	}
	// Output:
	// 87 bytes, 2 records, next offset 2, 0 bytes follow
	// 0: a=1 [{"op" "write"}], null: false
	// 1: b= [], null: true
}
