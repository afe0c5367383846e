package dynamodb

import (
	"bytes"
	"strconv"

	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/snapshot"
)

// What a row, or a record of the stream, takes of an answer as a rule; for the room that is made for them.
const (
	usualRow    = 256
	usualRecord = 512
)

// keys are the keys of a page, in one memory.
type keys struct {
	text []byte
	ends []int
}

// each hands the keys over.
func (k *keys) each(to func(i int, key events.Key)) {
	all, from := events.Key(k.text), 0
	for i, end := range k.ends {
		to(i, all[from:end])
		from = end
	}
}

// decoder is a decoder of items, and finds the keys of those that stand in an answer. It is for one goroutine at a time.
type decoder struct {
	*events.Decoder
	schema events.KeySchema
	items  *dynamojson.Splitter
	room   []events.Attribute // of the item before; nobody keeps them
}

func newDecoder(schema events.KeySchema) *decoder {
	return &decoder{Decoder: events.NewDecoder(schema), schema: schema, items: dynamojson.NewSplitter()}
}

// row reads an item and appends its key to keys. It returns the index behind the item, or -1 if that is not of the quick form or
// has no key of the table.
func (d *decoder) row(text dynamojson.Quick, i int, keys []byte) (end int, _ []byte) {
	item, end := d.item(text, i)
	return d.appendKey(keys, item, end)
}

// key is row of an item that has no attributes but those of the key.
func (d *decoder) key(text dynamojson.Quick, i int, keys []byte) (end int, _ []byte) {
	item, end := d.item(text, i)
	if len(item.Attributes) > len(d.schema) {
		return -1, keys
	}
	return d.appendKey(keys, item, end)
}

func (d *decoder) item(text dynamojson.Quick, i int) (item events.Item, end int) {
	if item, end = d.items.At(text, i, d.room[:0]); end >= 0 {
		d.room = item.Attributes
	}
	return item, end
}

// appendKey appends the key of an item that ends there.
func (d *decoder) appendKey(keys []byte, item events.Item, end int) (int, []byte) {
	if end < 0 {
		return -1, keys
	}
	with, err := d.schema.AppendKey(keys, item)
	if err != nil {
		return -1, keys
	}
	return end, with
}

// quickScan is Source.cut for an answer whose items the decoder takes the quick way. It validates them, cuts them and
// finds their keys in one pass; the little around them is cut as always.
func quickScan(decoder *decoder, answer []byte) (page snapshot.Page, ok bool) {
	const name, begin = `"Items"`, `"Items":[`
	start := bytes.Index(answer, []byte(begin))
	text, ok := dynamojson.AsQuick(answer)
	if start < 0 || !ok {
		return page, false
	}
	first := start + len(begin) - 1
	room := len(answer) / usualRow
	k := keys{ends: make([]int, 0, room)}
	page.Rows = make([]snapshot.Row, 0, room)
	end := text.Elements(first, func(i int) (end int) {
		if end, k.text = decoder.row(text, i, k.text); end >= 0 {
			k.ends = append(k.ends, len(k.text))
			page.Rows = append(page.Rows, snapshot.Row{Item: answer[i:end:end]})
		}
		return end
	})
	if end < 0 {
		return snapshot.Page{}, false
	}
	// With its items taken out it is the answer of an empty page, if that was the array of its items.
	around, err := cutScan(append(bytes.Clone(answer[:first+1]), answer[end-1:]...))
	if err != nil || around.at != int64(start+len(name)) {
		return snapshot.Page{}, false
	}
	page.Last, page.Units = around.last, around.units
	k.each(func(i int, key events.Key) { page.Rows[i].Key = key })
	return page, true
}

// quickRecords is Stream.cut for an answer that is JSON of the quick form.
func quickRecords(decoder *decoder, answer []byte) (page capture.Page, ok bool) {
	text, ok := dynamojson.AsQuick(answer)
	if !ok {
		return page, false
	}
	k := keys{}
	some := false // else cut says what is wrong
	end := text.Members(0, func(name []byte, i int) int {
		switch string(name) {
		case "Records":
			some = true
			return text.Elements(i, func(i int) int {
				var r streamRecord
				end := r.quick(text, i, func(i int) (end int) {
					end, k.text = decoder.key(text, i, k.text)
					return end
				})
				change, err := r.change()
				if end < 0 || r.keys == nil || err != nil {
					return -1
				}
				if page.Changes == nil {
					page.Changes = make([]capture.Change, 0, len(answer)/usualRecord+1)
				}
				k.ends = append(k.ends, len(k.text))
				page.Changes = append(page.Changes, change)
				return end
			})
		case "NextShardIterator":
			next, end := text.Text(i)
			page.Next = string(next)
			return end
		}
		return text.Value(i)
	})
	if end < 0 || !some {
		return capture.Page{}, false
	}
	k.each(func(i int, key events.Key) { page.Changes[i].Key = key })
	return page, true
}

// quick reads a record; key reads its key.
func (r *streamRecord) quick(text dynamojson.Quick, i int, key func(i int) int) int {
	return text.Members(i, func(name []byte, i int) (end int) {
		switch string(name) {
		case "eventName":
			r.event, end = text.Text(i)
			return end
		case "dynamodb":
			return text.Members(i, func(name []byte, i int) int { return r.quickMember(text, string(name), i, key) })
		}
		return text.Value(i)
	})
}

func (r *streamRecord) quickMember(text dynamojson.Quick, name string, i int, key func(i int) int) (end int) {
	switch name {
	case "SequenceNumber":
		r.sequence, end = text.Text(i)
		return end
	case "Keys":
		if end = key(i); end >= 0 {
			r.keys = text[i:end:end]
		}
		return end
	}
	if end = text.Value(i); end < 0 {
		return -1
	}
	switch name {
	case "ApproximateCreationDateTime":
		var err error
		if r.seconds, err = strconv.ParseFloat(string(text[i:end]), 64); err != nil {
			return -1
		}
	case "NewImage":
		r.image = text[i:end:end]
	}
	return end
}
