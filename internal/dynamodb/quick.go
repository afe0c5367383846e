package dynamodb

import (
	"bytes"
	"strconv"

	"github.com/crossfadedb/crossfade/internal/capture"
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

// quickScan is Source.cut for an answer whose items the decoder takes the quick way. It validates them, cuts them and
// finds their keys in one pass; the little around them is cut as always.
func quickScan(decoder *events.Decoder, answer []byte) (page snapshot.Page, ok bool) {
	const name, begin = `"Items"`, `"Items":[`
	start := bytes.Index(answer, []byte(begin))
	text, ok := events.AsQuick(answer)
	if start < 0 || !ok {
		return page, false
	}
	first := start + len(begin) - 1
	room := len(answer) / usualRow
	k := keys{ends: make([]int, 0, room)}
	page.Rows = make([]snapshot.Row, 0, room)
	end := text.Elements(first, func(i int) (end int) {
		if end, k.text = decoder.Row(text, i, k.text); end >= 0 {
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
func quickRecords(decoder *events.Decoder, answer []byte) (page capture.Page, ok bool) {
	text, ok := events.AsQuick(answer)
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
					end, k.text = decoder.KeyOnly(text, i, k.text)
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
func (r *streamRecord) quick(text events.Quick, i int, key func(i int) int) int {
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

func (r *streamRecord) quickMember(text events.Quick, name string, i int, key func(i int) int) (end int) {
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
