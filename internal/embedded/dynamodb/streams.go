package dynamodb

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// maxShards is how many shards one answer of DescribeStream lists.
const maxShards = 100

type listStreams struct {
	TableName               string
	ExclusiveStartStreamArn string
	Limit                   *int
}

type streamSummary struct{ StreamArn, StreamLabel, TableName string }

type streamList struct {
	Streams                []streamSummary
	LastEvaluatedStreamArn string `json:",omitzero"`
}

type describeStream struct {
	StreamArn             string
	ExclusiveStartShardID string `json:"ExclusiveStartShardId"`
	Limit                 *int
	ShardFilter           *struct {
		Type    string
		ShardID string `json:"ShardId"`
	}
}

type sequenceRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitzero"`
}

type shardDescription struct {
	ShardID             string `json:"ShardId"`
	ParentShardID       string `json:"ParentShardId,omitzero"`
	SequenceNumberRange sequenceRange
}

type streamDescription struct {
	StreamArn, StreamLabel, TableName string
	StreamStatus, StreamViewType      string
	CreationRequestDateTime           float64
	KeySchema                         []keyElement
	Shards                            []shardDescription
	LastEvaluatedShardID              string `json:"LastEvaluatedShardId,omitzero"`
}

type describedStream struct{ StreamDescription streamDescription }

// streamARN checks an ARN of a stream.
func (v *violations) streamARN(member, arn string) {
	switch {
	case len(arn) < 37:
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must have length greater than or equal to 37", arn, member)
	case !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, "/stream/"):
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:.*/stream/.*", arn, member)
	}
}

// shardID checks the id of a shard.
func (v *violations) shardID(member, id string) {
	if len(id) < 28 || len(id) > 65 {
		v.add("Value '%s' at '%s' failed to satisfy constraint: Member must have length between 28 and 65", id, member)
	}
}

func (r *listStreams) constrain(v *violations) {
	if r.ExclusiveStartStreamArn != "" {
		v.streamARN("exclusiveStartStreamArn", r.ExclusiveStartStreamArn)
	}
}

func (r *describeStream) constrain(v *violations) {
	v.streamARN("streamArn", r.StreamArn)
	if r.ExclusiveStartShardID != "" {
		v.shardID("exclusiveStartShardId", r.ExclusiveStartShardID)
	}
	if r.ShardFilter == nil {
		return
	}
	v.shardID("shardFilter.shardId", r.ShardFilter.ShardID)
	if r.ShardFilter.Type != "CHILD_SHARDS" {
		v.add("Value '%s' at 'shardFilter.type' failed to satisfy constraint: Member must satisfy enum value set: [CHILD_SHARDS]", r.ShardFilter.Type)
	}
}

func (r *getShardIterator) constrain(v *violations) {
	v.streamARN("streamArn", r.StreamArn)
	v.shardID("shardId", r.ShardID)
}

func (r *listStreams) target() (string, expression.Item)    { return r.TableName, nil }
func (r *describeStream) target() (string, expression.Item) { return r.StreamArn, nil }

// limited checks a limit of 1 to most; nil is most.
func limited(limit *int, most int) (int, error) {
	if limit == nil {
		return most, nil
	}
	if *limit < 1 || *limit > most {
		return 0, validation("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", *limit, most)
	}
	return *limit, nil
}

// findStream returns a stream after forgetting what is too old; of a disabled one nothing is left in the end.
func (s *Server) findStream(arn string) (*stream, error) {
	before := s.now().Add(-retention)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.streams {
		if st.arn != arn {
			continue // another one
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		st.trim(before)
		if st.gone(before) {
			break
		}
		return st, nil
	}
	return nil, notFound("Requested resource not found: Stream: %s not found", arn)
}

// gone reports whether the stream was disabled before a time. It needs the stream's lock.
func (st *stream) gone(before time.Time) bool {
	return !st.disabled.IsZero() && st.disabled.Before(before)
}

func (c *call) listStreams(in *listStreams) (streamList, error) {
	limit, err := limited(in.Limit, maxShards)
	if err != nil {
		return streamList{}, err
	}
	s := c.server
	before := s.now().Add(-retention)
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := streamList{Streams: []streamSummary{}}
	at := -1
	if in.ExclusiveStartStreamArn != "" {
		at = slices.IndexFunc(s.streams, func(st *stream) bool { return st.arn == in.ExclusiveStartStreamArn })
		if at < 0 {
			return streamList{}, notFound("Requested resource not found: Stream: %s not found", in.ExclusiveStartStreamArn)
		}
	}
	for _, st := range s.streams[at+1:] {
		st.mu.Lock()
		gone := st.gone(before)
		st.mu.Unlock()
		switch {
		case gone || in.TableName != "" && st.table.name != tableName(in.TableName):
		case len(out.Streams) == limit:
			out.LastEvaluatedStreamArn = out.Streams[limit-1].StreamArn
			return out, nil
		default:
			out.Streams = append(out.Streams, streamSummary{st.arn, st.label, st.table.name})
		}
	}
	return out, nil
}

func (c *call) describeStream(in *describeStream) (describedStream, error) {
	limit, err := limited(in.Limit, maxShards)
	if err != nil {
		return describedStream{}, err
	}
	st, err := c.server.findStream(in.StreamArn)
	if err != nil {
		return describedStream{}, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	d := streamDescription{
		StreamArn: st.arn, StreamLabel: st.label, TableName: st.table.name, StreamViewType: st.view,
		StreamStatus: "ENABLED", CreationRequestDateTime: float64(st.created.UnixMilli()) / 1000,
		KeySchema: st.table.schema.elements(), Shards: []shardDescription{},
	}
	if !st.disabled.IsZero() {
		d.StreamStatus = "DISABLED"
	}
	for _, sh := range st.after(in.ExclusiveStartShardID) {
		switch {
		case in.ShardFilter != nil && sh.parent != in.ShardFilter.ShardID:
		case len(d.Shards) == limit:
			d.LastEvaluatedShardID = d.Shards[limit-1].ShardID
			return describedStream{d}, nil
		default:
			d.Shards = append(d.Shards, st.describe(sh))
		}
	}
	return describedStream{d}, nil
}

// after is the shards behind the one called id, or behind where it would be: it may have been trimmed since the page
// before. It needs the stream's lock.
func (st *stream) after(id string) []*shard {
	at := slices.IndexFunc(st.shards, func(sh *shard) bool { return sh.id == id })
	if at < 0 {
		at = slices.IndexFunc(st.shards, func(sh *shard) bool { return sh.id > id }) - 1
	}
	if at < -1 {
		return nil
	}
	return st.shards[at+1:]
}

func (st *stream) describe(sh *shard) shardDescription {
	d := shardDescription{ShardID: sh.id, ParentShardID: sh.parent}
	d.SequenceNumberRange.StartingSequenceNumber = st.server.sequence.text(sh.start)
	if !sh.open() {
		d.SequenceNumberRange.EndingSequenceNumber = st.server.sequence.text(sh.end)
	}
	return d
}

// recordList is an answer of GetRecords.
type recordList struct {
	NextShardIterator string `json:",omitzero"`

	records [][]byte
}

func (l *recordList) list() (string, [][]byte) { return "Records", l.records }

// streamRecord is one record as it goes over the wire.
type streamRecord struct {
	AwsRegion    string        `json:"awsRegion"`
	Dynamodb     change        `json:"dynamodb"`
	EventID      string        `json:"eventID"`
	EventName    string        `json:"eventName"`
	EventSource  string        `json:"eventSource"`
	EventVersion string        `json:"eventVersion"`
	UserIdentity *userIdentity `json:"userIdentity,omitzero"`
}

type userIdentity struct {
	PrincipalID string `json:"PrincipalId"`
	Type        string
}

type change struct {
	ApproximateCreationDateTime int64
	Keys                        jsontext.Value
	NewImage                    jsontext.Value `json:",omitzero"`
	OldImage                    jsontext.Value `json:",omitzero"`
	SequenceNumber              string
	SizeBytes                   int
	StreamViewType              string
}
