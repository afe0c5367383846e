package dynamodb

import (
	"cmp"
	"time"
)

// Options of a Server. The zero Options are a server in us-east-1 on the machine's clock that never fails.
type Options struct {
	// Clock is the server's time: creation times, the retention of stream records, the age of iterators. Default time.Now.
	Clock func() time.Time
	// Fault, when set, is asked before every call, and before each part of a batch call. It is called from many
	// goroutines at once and must not call the server.
	Fault func(Call) Fault
	// Shards is how many open shards a new stream begins with. Default 1.
	Shards int
	// FirstSequence is the sequence number before the first one that is given out: decimal digits. Default
	// "100000000000000000000", so that they have 21 digits.
	FirstSequence string
	// Creation is how long a new table, or a new index of a table that is there, is CREATING by the Clock. Items of such a
	// table and entries of such an index cannot be reached, and the table cannot be changed. Default 0: it is ACTIVE at once.
	Creation time.Duration
	// Compress lets answers be compressed where the caller accepts it. A caller that verifies X-Amz-Crc32 must unpack them by
	// itself: what an http.Transport has unpacked has another checksum. Default false.
	Compress bool
	// Region and Account stand in ARNs. Default us-east-1 and 000000000000.
	Region, Account string
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Shards = max(o.Shards, 1)
	o.FirstSequence = cmp.Or(o.FirstSequence, "100000000000000000000")
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "000000000000")
	return o
}

// Call is what Options.Fault is asked about.
type Call struct {
	Operation string // such as PutItem or GetRecords
	Table     string // empty where a call names several; for stream calls the stream's table
	Key       string // the key attributes as DynamoDB JSON, in the order of the key schema; empty where there is none
	Agent     string // the request's User-Agent
	// Part is true for one statement, request or key of a batch call. For a part only Fault.Refuse counts:
	// it becomes the statement's error, or the write or key comes back as unprocessed.
	Part bool
}

// Fault is what goes wrong with a call; the zero Fault is nothing. Delay comes first, and goes with each other one.
type Fault struct {
	Delay  time.Duration // before anything happens; ends early with the request's context
	Refuse *Error        // answered instead; nothing is applied
	Answer *Error        // answered instead, after the call was applied
	Empty  bool          // of GetRecords: a page without records, although there may be some; its next iterator is the same place
	Lose   bool          // the call is applied, then the connection is closed without an answer
}
