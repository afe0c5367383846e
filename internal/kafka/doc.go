// Package kafka is Crossfade's side of Apache Kafka, on segmentio/kafka-go.
//
//	Topics    the six topics of a migration, created with what correctness needs, see TopicSpec and settings.go; known by
//	          their ids, see Confirm
//	Publish   records to the partition of their key, acknowledged by all in-sync replicas
//	Fetch     one partition from one offset; an offset that is gone is an error, never a jump (invariant 4)
//	Log       the facts and the control log
//	Group     membership: who has which partitions; commits carry the counts
//
// What kafka-go offers above this level is left alone: its Reader moves a lost offset silently, and its Writer goes
// on with the next batch after one that failed. Here a request is made, answered, and its answer checked for each
// partition. Nothing is retried inside; errors are classified by package fault, and the callers retry. Publish says what is
// left of an append that succeeded in part. The one exception is CreateTopics, which waits until the topics can be used.
//
// Every request is seen by the client's fault.Dependency, which says when Kafka does not answer and when it does again;
// each assignment and its end is logged with the reason, and records that went to the dlq once a minute.
package kafka
