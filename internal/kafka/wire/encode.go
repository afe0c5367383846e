package wire

import "errors"

// Encoder makes batches, one after the other, in memory that is used again. The zero Encoder is ready to use; it is for one
// goroutine.
type Encoder struct {
	batch   Batch
	records []byte // before compression
	out     appender
}

// Begin begins a batch with what stands before its records. Add counts the records, and raises LastDelta and MaxTime to what
// they have: they may be 0.
func (e *Encoder) Begin(b Batch) {
	e.batch, e.records = b, e.records[:0]
	e.batch.Count = 0
}

// Add adds a record to the batch. It is only read: its bytes are copied.
// https://kafka.apache.org/documentation/#record
func (e *Encoder) Add(r *Record) {
	delta, age := r.Offset-e.batch.BaseOffset, r.Time-e.batch.BaseTime
	e.batch.Count++
	e.batch.LastDelta = max(e.batch.LastDelta, int32(delta))
	e.batch.MaxTime = max(e.batch.MaxTime, r.Time)
	size := 1 + sizeOfVarint(age) + sizeOfVarint(delta) + sizeOfVarBytes(r.Key) + sizeOfVarBytes(r.Value) + sizeOfVarint(int64(len(r.Headers)))
	for _, h := range r.Headers {
		size += sizeOfVarint(int64(len(h.Key))) + len(h.Key) + sizeOfVarBytes(h.Value)
	}
	b := appendVarint(e.records, int64(size))
	b = append(b, 0) // attributes, of which there are none
	b = appendVarint(b, age)
	b = appendVarint(b, delta)
	b = appendVarBytes(b, r.Key)
	b = appendVarBytes(b, r.Value)
	b = appendVarint(b, int64(len(r.Headers)))
	for _, h := range r.Headers {
		b = append(appendVarint(b, int64(len(h.Key))), h.Key...)
		b = appendVarBytes(b, h.Value)
	}
	e.records = b
}

// Append appends the batch to b. The codec is that of the batch's compression; nil if it has none.
func (e *Encoder) Append(b []byte, codec Codec) ([]byte, error) {
	if (codec == nil) != (e.batch.Attributes.Compression() == None) {
		return b, errors.New("the batch's compression is not that of the codec")
	}
	begin := len(b)
	e.out.text = append(b, make([]byte, atRecords)...)
	err := e.compress(codec)
	b, e.out.text = e.out.text, nil
	if err != nil {
		return b[:begin], err
	}
	e.batch.seal(b[begin:])
	return b, nil
}

func (e *Encoder) compress(codec Codec) error {
	if codec == nil {
		_, err := e.out.Write(e.records)
		return err
	}
	w := codec.NewWriter(&e.out)
	_, err := w.Write(e.records)
	return errors.Join(err, w.Close())
}

// appender appends what is written.
type appender struct{ text []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.text = append(a.text, p...)
	return len(p), nil
}
