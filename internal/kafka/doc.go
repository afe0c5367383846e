// Package kafka is Crossfade's side of Apache Kafka, on segmentio/kafka-go. Its files, in the order in which they are best read:
//
//	client.go      Client: how to reach a cluster, and how long a request may take
//	errors.go      what an error of Kafka's means: the one place that decides it
//	settings.go    the six topics of a migration, and what each needs of its settings
//	topics.go      they are created, or held against what they are to be; validate.go only asks whether they could be made
//	identity.go    topics are known by their ids, see Confirm
//	others.go      which migrations a cluster has
//	publish.go     Publish: records to the partition of their key, acknowledged by all in-sync replicas
//	encode.go      one request's batch
//	wire           the form of batches and records, of both directions: a package of its own
//	codecs.go      how batches are compressed; zstd.go: with a small window
//	fetch.go       Fetch: one partition from one offset; an offset that is gone is an error, never a jump (invariant 4)
//	exchange.go    the request of a fetch, and its answer
//	decode.go      the answer's batches become records; aborted.go: without those of aborted transactions
//	expansion.go   how much to ask for, where brokers count compressed bytes
//	scan.go        a topic is read up to its end, by those that follow
//	log.go         Log: the facts and the control log
//	deadletter.go  a record goes into the dlq; dead.go: and is looked at there
//	group.go       Group: membership, which is who has which partitions
//	offsets.go     bounds of partitions; what a group has committed, with its counts; the way back to the start
//
// What kafka-go offers above the level of one request is left alone: its Reader moves a lost offset silently, and its Writer
// goes on with the next batch after one that failed. Here a request is made, answered, and its answer checked for each
// partition: what no answer tells is an error, and never zero or nothing. kafka-go's globals are left as they are.
//
// Nothing is retried inside: errors are classified by package fault, and the callers retry. Publish says what is left of an
// append that succeeded in part. There are two exceptions: CreateTopics waits until the topics can be used, and Group joins again
// for as long as it may.
//
// Every request is seen by the client's fault.Dependency, which says when Kafka does not answer and when it does again;
// each assignment and its end is logged with the reason, and records that went to the dlq once a minute.
package kafka
