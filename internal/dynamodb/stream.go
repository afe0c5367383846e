package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/crossfadedb/crossfade/internal/capture"
	"github.com/crossfadedb/crossfade/internal/events"
	"github.com/crossfadedb/crossfade/internal/fault"
)

var _ capture.Stream = (*Stream)(nil)

// Stream is the DynamoDB Stream of the old table.
type Stream struct {
	table    *Table
	arn      string
	schema   events.KeySchema
	decoders sync.Pool
	local    bool       // it is DynamoDB Local's
	begun    beginnings // only there
}

// NewStream returns the stream with this ARN.
func NewStream(t *Table, arn string, schema events.KeySchema) *Stream {
	return &Stream{table: t, arn: arn, schema: schema, decoders: decoders(schema), local: t.local && strings.HasPrefix(arn, localARN)}
}

// Shards implements capture.Stream. It reads all pages: one has at most 100 shards.
func (s *Stream) Shards(ctx context.Context) ([]capture.Shard, error) {
	var all []capture.Shard
	off := false
	for from, first := (*string)(nil), true; first || from != nil; first = false {
		page, err := s.describe(ctx, from)
		if err != nil {
			return nil, err
		}
		for _, shard := range page.Shards {
			own := capture.Shard{ID: aws.ToString(shard.ShardId), Parent: aws.ToString(shard.ParentShardId)}
			if r := shard.SequenceNumberRange; r != nil {
				if own.Start, err = position(r.StartingSequenceNumber); err == nil {
					own.End, err = position(r.EndingSequenceNumber)
				}
			}
			if err != nil {
				return nil, &fault.Error{Class: fault.Fatal, Reason: "sequence-number", What: "shard " + own.ID, Err: err}
			}
			all = append(all, own)
		}
		off = page.StreamStatus == types.StreamStatusDisabled
		from = page.LastEvaluatedShardId
	}
	if off {
		markLast(all)
	}
	return all, nil
}

// markLast marks the shards that no other one follows.
func markLast(shards []capture.Shard) {
	parents := map[string]bool{}
	for _, s := range shards {
		parents[s.Parent] = true
	}
	for i := range shards {
		shards[i].Last = !parents[shards[i].ID]
	}
}

func (s *Stream) describe(ctx context.Context, from *string) (_ *types.StreamDescription, err error) {
	answered := s.table.outside.Ask(ctx, "DescribeStream")
	defer func() { answered(unanswered(err, "DescribeStream")) }()
	ctx, cancel := context.WithTimeout(ctx, s.table.timeout)
	defer cancel()
	answer, err := s.table.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn, ExclusiveStartShardId: from})
	if err != nil {
		return nil, notRecord(classify(err, "describe stream "+s.arn))
	}
	if answer.StreamDescription == nil {
		return nil, &fault.Error{Class: fault.Retry, Reason: "no-answer", What: "describe stream " + s.arn, Err: errors.New("the answer describes nothing")}
	}
	return answer.StreamDescription, nil
}

func position(number *string) (events.Position, error) {
	if number == nil {
		return "", nil
	}
	return events.ParsePosition(*number)
}

// sequenceNumber is a position as the service takes it: of 21 to 40 digits.
func sequenceNumber(p events.Position) string { return fmt.Sprintf("%021s", p.Number()) }

// Iterator implements capture.Stream. It never asks for LATEST.
func (s *Stream) Iterator(ctx context.Context, shard string, from capture.From) (string, error) {
	switch {
	case from.After != "":
		return s.iterator(ctx, shard, types.ShardIteratorTypeAfterSequenceNumber, from.After)
	case from.Oldest || from.At == "":
		return s.iterator(ctx, shard, types.ShardIteratorTypeTrimHorizon, "")
	}
	if s.local {
		if first, err := s.beginning(ctx, shard, from.At); first != "" || err != nil {
			return first, err
		}
	}
	return s.iterator(ctx, shard, types.ShardIteratorTypeAtSequenceNumber, from.At)
}

// iterator asks for an iterator; at is empty where its kind names none.
func (s *Stream) iterator(ctx context.Context, shard string, kind types.ShardIteratorType, at events.Position) (string, error) {
	limited, cancel := context.WithTimeout(ctx, s.table.timeout)
	defer cancel()
	input := &dynamodbstreams.GetShardIteratorInput{StreamArn: &s.arn, ShardId: &shard, ShardIteratorType: kind}
	if at != "" {
		input.SequenceNumber = new(sequenceNumber(at))
	}
	what := fmt.Sprintf("get an iterator of shard %s (%s %s)", shard, kind, aws.ToString(input.SequenceNumber))
	answered := s.table.outside.Ask(ctx, "GetShardIterator")
	answer, err := s.table.streams.GetShardIterator(limited, input)
	answered(unanswered(err, "GetShardIterator"))
	if err != nil {
		return "", s.noIterator(ctx, err, what, shard, at)
	}
	if aws.ToString(answer.ShardIterator) == "" {
		return "", &fault.Error{Class: fault.Retry, Reason: "no-answer", What: what, Err: errors.New("the answer has none")}
	}
	return *answer.ShardIterator, nil
}

// noIterator says why there is no iterator. That a shard is gone, or that it begins behind a position, is what the stream
// must say of it: the refusal alone may mean the stream, the table's region, or a request that is wrong.
func (s *Stream) noIterator(ctx context.Context, err error, what, shard string, at events.Position) error {
	answer, ok := answerOf(err)
	if !ok {
		return classify(err, what)
	}
	switch answer.code {
	case "TrimmedDataAccessException":
		return fmt.Errorf("%s: %w", what, capture.ErrTrimmed)
	case "ResourceNotFoundException", "ValidationException":
		found, listed, lookErr := s.find(ctx, shard)
		switch {
		case lookErr != nil:
			return lookErr
		case !listed:
			return fmt.Errorf("%s: %w (%s)", what, capture.ErrNoShard, answer.message)
		case answer.code == "ResourceNotFoundException":
			return &fault.Error{Class: fault.Retry, Reason: "shard-not-found", What: what + ": the stream lists it", Err: err}
		case at != "" && at < found.Start:
			// So says DynamoDB Local of a sequence number below the shard's start, where DynamoDB says trimmed.
			return fmt.Errorf("%s: %w: the shard begins at %s (%s)", what, capture.ErrTrimmed, found.Start.Number(), answer.message)
		}
	}
	return notRecord(classify(err, what))
}

// find looks a shard up in the stream.
func (s *Stream) find(ctx context.Context, shard string) (found capture.Shard, listed bool, err error) {
	shards, err := s.Shards(ctx)
	for _, own := range shards {
		if own.ID == shard {
			return own, true, nil
		}
	}
	return capture.Shard{}, false, err
}

// noRecords says why there are no records.
func (s *Stream) noRecords(ctx context.Context, err error, what, iterator string) error {
	answer, ok := answerOf(err)
	if !ok {
		return classify(err, what)
	}
	switch answer.code {
	case "TrimmedDataAccessException":
		if s.begun.has(iterator) {
			return fmt.Errorf("%s: %w (%s)", what, capture.ErrExpired, answer.message) // another one, if the shard's beginning is still there
		}
		return fmt.Errorf("%s: %w", what, capture.ErrTrimmed)
	case "ExpiredIteratorException":
		return fmt.Errorf("%s: %w", what, capture.ErrExpired)
	case "ResourceNotFoundException":
		// An iterator names a stream and a shard. If the stream is there, it is the shard that is not.
		if _, lookErr := s.describe(ctx, nil); lookErr != nil {
			return lookErr
		}
		return fmt.Errorf("%s: %w (%s)", what, capture.ErrNoShard, answer.message)
	}
	return notRecord(classify(err, what))
}

// Records implements capture.Stream.
func (s *Stream) Records(ctx context.Context, iterator string) (capture.Page, error) {
	const what = "get records"
	body := append(quote([]byte(`{"ShardIterator":`), iterator), '}')
	answer, err := s.table.wire.call(ctx, "DynamoDBStreams_20120810.GetRecords", body)
	if err != nil {
		return capture.Page{}, s.noRecords(ctx, err, what, iterator)
	}
	decoder := s.decoders.Get().(*decoder)
	defer s.decoders.Put(decoder)
	if !s.table.local || !bytes.Contains(answer, []byte("{}")) { // else an image may need repair
		if page, ok := quickRecords(decoder, answer); ok {
			return page, nil
		}
	}
	page, err := s.cut(decoder, answer)
	return page, classify(err, what)
}

// cut cuts any answer.
func (s *Stream) cut(decoder *decoder, answer []byte) (page capture.Page, err error) {
	c := newCutter(answer)
	some := false // an answer without the member is not one: without an iterator too, it would be the end of the shard
	err = c.object(func(name string) error {
		switch name {
		case "Records":
			some = true
			return c.each(func() error {
				change, err := s.change(c, decoder)
				page.Changes = append(page.Changes, change)
				return err
			})
		case "NextShardIterator":
			raw, err := c.value()
			if err != nil {
				return err
			}
			return json.Unmarshal(raw, &page.Next) // null is the end of the shard too
		}
		return c.skip()
	})
	if err == nil && !some {
		err = errors.New("the answer has no records, and does not say that there are none")
	}
	return page, err
}

// streamRecord is what a change is made of, as it stands in the stream's record.
type streamRecord struct {
	event, sequence []byte
	seconds         float64
	keys, image     []byte
	view            []byte // the stream's view type; of quick records nil
}

// change cuts one record.
func (s *Stream) change(c *cutter, decoder *decoder) (change capture.Change, err error) {
	var r streamRecord
	if err := r.cut(c); err != nil {
		return change, err
	}
	if s.table.local {
		r.image = repairEmptyMaps(r.image)
	}
	if s.local && r.expired() {
		r.event = []byte("REMOVE")
	}
	if change, err = r.change(); err != nil {
		return change, err
	}
	if change.Key, err = decoder.Key(r.keys); err != nil {
		bad, _ := errors.AsType[*events.Invalid](err)
		change.Bad = bad
	}
	return change, nil
}

func (r *streamRecord) cut(c *cutter) error {
	decoded := func(to any) error {
		raw, err := c.value()
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, to)
	}
	text := func(to *[]byte) error {
		var s string
		err := decoded(&s)
		*to = []byte(s)
		return err
	}
	return c.object(func(name string) error {
		switch name {
		case "eventName":
			return text(&r.event)
		case "dynamodb":
			return c.object(func(name string) (err error) {
				switch name {
				case "SequenceNumber":
					return text(&r.sequence)
				case "StreamViewType":
					return text(&r.view)
				case "ApproximateCreationDateTime":
					return decoded(&r.seconds)
				case "Keys":
					r.keys, err = c.value()
					return err
				case "NewImage":
					r.image, err = c.value()
					return err
				}
				return c.skip()
			})
		}
		return c.skip()
	})
}

// change is the change without its key.
func (r *streamRecord) change() (change capture.Change, err error) {
	change.Item, change.Raw = r.image, cmpBytes(r.image, r.keys)
	whole, part := math.Modf(r.seconds)
	change.Time = time.Unix(int64(whole), int64(part*1e9)).UTC()
	if change.Position, err = events.ParsePosition(string(r.sequence)); err != nil {
		return change, broken("a record of the stream has no valid sequence number", err)
	}
	switch string(r.event) {
	case "INSERT", "MODIFY":
		change.Op = events.Write
		if r.image == nil {
			return change, broken("a record of the stream has no new image", errors.New("the stream's view type must be NEW_IMAGE or NEW_AND_OLD_IMAGES"))
		}
	case "REMOVE":
		change.Op, change.Item = events.Delete, nil
	default:
		return change, broken(fmt.Sprintf("a record of the stream has the unknown event name %q, at sequence number %s, of the key %s", r.event, r.sequence, r.keys), nil)
	}
	return change, nil
}

func cmpBytes(a, b []byte) []byte {
	if a != nil {
		return a
	}
	return b
}

// broken is a stream that cannot be understood: leaving the record out would lose it.
func broken(what string, err error) error {
	if err == nil {
		err = capture.ErrUnreadable
	} else {
		err = fmt.Errorf("%w: %w", capture.ErrUnreadable, err)
	}
	return &fault.Error{Class: fault.Fatal, Reason: "stream", What: what, Err: err}
}
