package dynamodb

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// Limits of GetRecords.
const (
	iteratorLife   = 15 * time.Minute
	maxRecords     = 1000
	maxRecordBytes = 1 << 20
)

type getShardIterator struct {
	StreamArn         string
	ShardID           string `json:"ShardId"`
	ShardIteratorType string
	SequenceNumber    string
}

type shardIterator struct{ ShardIterator string }

type getRecords struct {
	ShardIterator string
	Limit         *int
}

func (r *getShardIterator) target() (string, expression.Item) { return r.StreamArn, nil }
func (r *getRecords) target() (string, expression.Item)       { return r.ShardIterator, nil }

// iterator is a place in a shard: the next record is the first one at or after number.
type iterator struct {
	arn, shard string
	number     uint64
	made       time.Time
}

func (i iterator) String() string {
	state := fmt.Sprintf("%s %d %d", i.shard, i.number, i.made.UnixMilli())
	return i.arn + "|1|" + base64.StdEncoding.EncodeToString([]byte(state))
}

func parseIterator(text string) (i iterator, err error) {
	parts := strings.Split(text, "|")
	if len(parts) != 3 {
		return i, validation("Invalid ShardIterator")
	}
	state, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return i, validation("Invalid ShardIterator")
	}
	var made int64
	if _, err := fmt.Sscanf(string(state), "%s %d %d", &i.shard, &i.number, &made); err != nil {
		return i, validation("Invalid ShardIterator")
	}
	i.arn, i.made = parts[0], time.UnixMilli(made)
	return i, nil
}

func trimmedError() *Error {
	return &Error{Code: "TrimmedDataAccessException", Message: "The operation attempted to read past the oldest stream record in a shard"}
}

func (c *call) getShardIterator(in *getShardIterator) (shardIterator, error) {
	st, err := c.server.findStream(in.StreamArn)
	if err != nil {
		return shardIterator{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	sh := st.shard(in.ShardID)
	if sh == nil {
		return shardIterator{}, notFound("Requested resource not found: Shard: %s in Stream: %s not found", in.ShardID, in.StreamArn)
	}
	number, err := st.startOf(sh, in)
	if err != nil {
		return shardIterator{}, err
	}
	return shardIterator{iterator{st.arn, sh.id, number, c.server.now()}.String()}, nil
}

// startOf is the number at which an iterator begins. It needs the stream's lock.
func (st *stream) startOf(sh *shard, in *getShardIterator) (uint64, error) {
	after := in.ShardIteratorType == "AFTER_SEQUENCE_NUMBER"
	switch {
	case in.ShardIteratorType == "TRIM_HORIZON" && in.SequenceNumber == "":
		return max(sh.trimmed+1, sh.start), nil
	case in.ShardIteratorType == "LATEST" && in.SequenceNumber == "":
		if !sh.open() {
			return sh.end, nil
		}
		return st.server.sequence.last.Load() + 1, nil
	case !after && in.ShardIteratorType != "AT_SEQUENCE_NUMBER":
		return 0, validation("Invalid ShardIteratorType or SequenceNumber in request: %s %s", in.ShardIteratorType, in.SequenceNumber)
	}
	number, ok := st.server.sequence.parse(in.SequenceNumber)
	last := sh.end
	if sh.open() {
		last = st.server.sequence.last.Load()
	}
	if !ok || number < sh.start || number > last {
		return 0, validation("Invalid SequenceNumber: %s is not in the range of shard %s", in.SequenceNumber, sh.id)
	}
	if number <= sh.trimmed {
		return 0, trimmedError()
	}
	if after {
		number++
	}
	return number, nil
}

func (c *call) getRecords(in *getRecords) (*recordList, error) {
	limit, err := limited(in.Limit, maxRecords)
	if err != nil {
		return nil, err
	}
	i, err := parseIterator(in.ShardIterator)
	if err != nil {
		return nil, err
	}
	now := c.server.now()
	if now.Sub(i.made) > iteratorLife {
		return nil, &Error{Code: "ExpiredIteratorException", Message: "The provided iterator exceeds the maximum age allowed"}
	}
	st, err := c.server.findStream(i.arn)
	if err != nil {
		return nil, err
	}
	records, closed, err := st.read(i, limit)
	if err != nil {
		return nil, err
	}
	if c.fault.Empty {
		records, closed = nil, false
	}
	out := &recordList{records: [][]byte{}}
	bytes := 0
	for _, r := range records {
		text, err := st.encode(r)
		if err != nil {
			return nil, err
		}
		if bytes += len(text); len(out.records) > 0 && bytes > maxRecordBytes {
			closed = false // there is more
			break
		}
		out.records = append(out.records, text)
		i.number = r.number + 1
	}
	if !closed {
		i.made = now
		out.NextShardIterator = i.String()
	}
	return out, nil
}

// read returns up to limit records from i on, and whether nothing can follow them.
func (st *stream) read(i iterator, limit int) (records []record, done bool, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	sh := st.shard(i.shard)
	if sh == nil {
		return nil, false, notFound("Requested resource not found: Shard: %s in Stream: %s not found", i.shard, i.arn)
	}
	if i.number <= sh.trimmed {
		return nil, false, trimmedError()
	}
	at := sort.Search(len(sh.records), func(n int) bool { return sh.records[n].number >= i.number })
	records = sh.records[at:]
	if len(records) > limit {
		return records[:limit:limit], false, nil
	}
	return slices.Clip(records), !sh.open(), nil
}

// encode makes the wire form of a record with what the stream's view shows.
func (st *stream) encode(r record) ([]byte, error) {
	d := change{
		ApproximateCreationDateTime: r.at.Unix(),
		SequenceNumber:              st.server.sequence.text(r.number),
		StreamViewType:              st.view,
	}
	out := streamRecord{
		AwsRegion: st.server.options.Region, EventSource: "aws:dynamodb", EventVersion: "1.1",
		EventID: fmt.Sprintf("%032x", r.number), EventName: "MODIFY",
	}
	switch {
	case r.old == nil:
		out.EventName, d.Keys = "INSERT", r.new.key
	case r.new == nil:
		out.EventName, d.Keys = "REMOVE", r.old.key
	default:
		d.Keys = r.new.key
	}
	d.SizeBytes = len(d.Keys)
	if r.new != nil && (st.view == "NEW_IMAGE" || st.view == "NEW_AND_OLD_IMAGES") {
		d.NewImage = r.new.raw
		d.SizeBytes += r.new.size
	}
	if r.old != nil && (st.view == "OLD_IMAGE" || st.view == "NEW_AND_OLD_IMAGES") {
		d.OldImage = r.old.raw
		d.SizeBytes += r.old.size
	}
	if r.ttl {
		out.UserIdentity = &userIdentity{"dynamodb.amazonaws.com", "Service"}
	}
	out.Dynamodb = d
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return text, nil
}
