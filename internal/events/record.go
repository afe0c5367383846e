package events

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The headers of a data record. An application's event needs none, but op for a tombstone.
const (
	HeaderOp       = "op"       // write, delete or tombstone
	HeaderVersion  = "version"  // Version.String, on records of ours
	HeaderTime     = "time"     // when the change happened, ms since 1970
	HeaderSource   = "source"   // shard id or segment/total, on records of ours
	HeaderPosition = "position" // an application's own position: an unsigned integer
)

// Header is one Kafka header.
type Header struct {
	Key   string
	Value []byte
}

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int
}

func (t TopicPartition) String() string { return t.Topic + "/" + strconv.Itoa(t.Partition) }

// Record is a Kafka record, whichever client carries it. Partition, Offset and Time are set on what was
// fetched; Time is the log's.
type Record struct {
	TopicPartition
	Offset  int64
	Time    time.Time
	Key     []byte
	Value   []byte // nil is null
	Headers []Header
}

// Header returns the value of the last header called key.
func (r Record) Header(key string) (string, bool) {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key == key {
			return string(h.Value), true
		}
	}
	return "", false
}

// Size is about what the record costs on the wire, in bytes.
func (r Record) Size() int {
	n := 64 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + 8
	}
	return n
}

// underWay is what is kept beside a record's bytes until it is done: itself and its headers, the event made of it, its
// place among those of its key and of its partition. A test of the applier holds it against the heap.
const underWay = 1280

// Memory is what the record takes in memory while it is under way, in bytes. Of small rows that is several times Size.
func (r Record) Memory() int { return underWay + r.Size() }

// Encode makes the record of an event, in one memory. The topic and partition are the producer's to choose.
func Encode(e Event) Record {
	const other = len("tombstone") + versionLen + 20 // the operation, the version and the time
	b := make([]byte, 0, len(e.Key)+len(e.Source)+len(e.Position)+other)
	// part is what with has behind b, which it becomes.
	part := func(with []byte) []byte {
		from := len(b)
		b = with
		return b[from:len(b):len(b)]
	}
	r := Record{Key: part(append(b, e.Key...)), Headers: make([]Header, 0, 4)}
	r.Headers = append(r.Headers, Header{HeaderOp, part(append(b, e.Op.String()...))})
	if e.Version != (Version{}) {
		r.Headers = append(r.Headers, Header{HeaderVersion, part(e.Version.Append(b))})
	}
	if e.Source != "" {
		r.Headers = append(r.Headers, Header{HeaderSource, part(append(b, e.Source...))})
	}
	if e.Position != "" {
		r.Headers = append(r.Headers, Header{HeaderPosition, part(append(b, e.Position.Number()...))})
	}
	if !e.Time.IsZero() {
		r.Headers = append(r.Headers, Header{HeaderTime, part(strconv.AppendInt(b, e.Time.UnixMilli(), 10))})
	}
	if e.Op == Write {
		r.Value = e.Item.Raw
	}
	return r
}

// Record decodes what Encode or an application's own client wrote. The event shares the record's memory.
// Errors are of type *Invalid.
func (d *Decoder) Record(r Record) (Event, error) {
	h := meaningful(r.Headers)
	if e, ok := d.written(r, h); ok {
		return e, nil
	}
	return d.record(r, h)
}

// record is Record for any record.
func (d *Decoder) record(r Record, h headers) (Event, error) {
	key, err := d.Key(r.Key)
	if err != nil {
		return Event{}, err
	}
	e := Event{Key: key}
	if e.Op, err = h.op(r.Value); err != nil {
		return Event{}, err
	}
	if err := h.decode(d, &e); err != nil {
		return Event{}, err
	}
	if e.Op != Write {
		return e, nil
	}
	if e.Item, err = d.Item(r.Value); err != nil {
		return Event{}, err
	}
	if d.key, err = d.schema.AppendKey(d.key[:0], e.Item); err != nil {
		return Event{}, err
	}
	if string(d.key) != string(key) {
		return Event{}, mismatch("the item's key is %s, the record's is %s", d.key, key)
	}
	return e, nil
}

// written is record for a write whose key is the canonical one of its item: such a key needs no decoding. It reports false
// for everything else, and if anything is wrong.
func (d *Decoder) written(r Record, h headers) (e Event, ok bool) {
	if op, err := h.op(r.Value); err != nil || op != Write {
		return Event{}, false
	}
	item, err := d.Item(r.Value)
	if err != nil {
		return Event{}, false
	}
	if d.key, err = d.schema.AppendKey(d.key[:0], item); err != nil || string(d.key) != string(r.Key) {
		return Event{}, false
	}
	e = Event{Key: Key(d.key), Op: Write, Item: item}
	return e, h.decode(d, &e) == nil
}

// headers are the values of the headers that mean something, each of the last one of its name; nil when there is none.
type headers struct{ operation, version, position, time, source []byte }

func meaningful(all []Header) (h headers) {
	for _, one := range all {
		value := one.Value
		if value == nil {
			value = []byte{}
		}
		switch one.Key {
		case HeaderOp:
			h.operation = value
		case HeaderVersion:
			h.version = value
		case HeaderPosition:
			h.position = value
		case HeaderTime:
			h.time = value
		case HeaderSource:
			h.source = value
		}
	}
	return h
}

// op reads the operation: the header if there is one, else what the value says. The two must agree.
func (h headers) op(value []byte) (Op, error) {
	// Some clients cannot send null. Four bytes of JSON null mean the same, and are not an item.
	null := len(value) == 0 || string(value) == "null"
	switch {
	case h.operation == nil && null:
		return Delete, nil
	case h.operation == nil:
		return Write, nil
	}
	for op, name := range opNames {
		if name == "" || name != string(h.operation) {
			continue // the next name
		}
		if (Op(op) == Write) == null {
			return 0, undecodable(fmt.Sprintf("op is %s and the value is null: %t", name, null), nil)
		}
		return Op(op), nil
	}
	return 0, undecodable(fmt.Sprintf("op %q is not write, delete or tombstone", h.operation), nil)
}

// decode puts what the headers say beside the operation into the event.
func (h headers) decode(d *Decoder, e *Event) error {
	if h.version != nil {
		v, err := parseVersion(h.version)
		if err != nil {
			return undecodable("header version", err)
		}
		e.Version = v
	}
	if h.position != nil {
		n, err := strconv.ParseUint(string(h.position), 10, 64)
		if err != nil {
			return undecodable("header position is not an unsigned integer", errors.Unwrap(err))
		}
		e.Position = PositionAt(n)
	}
	if h.time != nil {
		ms, err := strconv.ParseInt(string(h.time), 10, 64)
		if err != nil {
			return undecodable("header time is not a number of milliseconds", errors.Unwrap(err))
		}
		e.Time = time.UnixMilli(ms).UTC()
	}
	if h.source != nil {
		e.Source = d.sources.Known(h.source)
	}
	return nil
}
