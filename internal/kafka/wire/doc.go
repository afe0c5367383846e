// Package wire is the form that records have in Kafka: the batch of message format 2, which producers send, brokers keep and
// fetches return, unchanged. It is the format that the Kafka protocol calls RecordBatch:
// https://kafka.apache.org/documentation/#recordbatch
//
//	layout.go      where each field of a batch is: the one place that both directions take it from
//	primitives.go  the types that fields are made of, see Cutter
//	encode.go      Encoder makes a batch of records
//	decode.go      Cut finds the batches in an answer, Open reads the records of one
//	control.go     the records that end a transaction
//
// There is no connection, topic or partition here, and no codec: whoever calls brings those, see Codec.
//
// Nothing is believed and nothing is left out. The checksum is compared; a length that does not fit, a record that is missing
// and a byte too many are errors. What is decompressed is read as it comes, so that a batch takes no more memory than its
// largest record.
package wire
