// Package dynamodb is a DynamoDB with its streams in memory: an http.Handler that speaks the wire protocol, good
// enough for the SDK to notice no difference in what is covered. It serves the demonstration and the tests.
//
//	server := dynamodb.New(dynamodb.Options{})
//	endpoint, err := server.Start() // http://127.0.0.1:…; or use server.Transport() and no socket at all
//	defer server.Close()
//
// Apart from the listener of Start it has no goroutine, and it holds no lock while it waits, so that over
// Server.Transport it runs inside a testing/synctest bubble.
//
// # Covered
//
//   - Tables: CreateTable, DeleteTable, DescribeTable, ListTables, UpdateTable (billing, stream on and off, global
//     indexes, deletion protection), UpdateTimeToLive, DescribeTimeToLive, TagResource, UntagResource,
//     ListTagsOfResource, DescribeEndpoints. A change is there at once, and a table is ACTIVE when CreateTable answers,
//     unless Options.Creation says how long it is being made.
//   - Secondary indexes, global and local: projections, items that are not in an index, keys of up to four attributes
//     each for partition and order; Query and Scan on them; item collection metrics. An index never lags.
//   - Items: PutItem, GetItem, UpdateItem, DeleteItem, Query, Scan with segments, BatchGetItem, BatchWriteItem,
//     TransactWriteItems (with client request tokens), TransactGetItems; conditions, filters, projections and
//     updates by package expression; ReturnValues, ReturnValuesOnConditionCheckFailure, ReturnConsumedCapacity, also of
//     each index. The parameters from before expressions (Expected, AttributeUpdates …) become expressions, by package
//     legacy.
//   - PartiQL, as far as package partiql reads it: ExecuteStatement, BatchExecuteStatement, ExecuteTransaction.
//   - Streams: ListStreams, DescribeStream, GetShardIterator, GetRecords; all four views; shards that close and
//     split; 24 hours of retention; iterators that live 15 minutes.
//   - The limits: 400 KB an item, 1 MB a page, 4 MB a transaction, 38 digits, 32 levels, 300 operators of an expression, 25
//     and 100 parts of a batch, sizes of keys and of names. The order of what is checked is the service's: the JSON, the
//     constraints of the service's model (constraints.go), the expressions, the table, its keys.
//   - Requests may be compressed, by gzip or deflate; so are answers from 4 KB on, if Options.Compress and the caller say so.
//   - Every answer carries X-Amz-Crc32, of the bytes as they go over the wire. A request needs an Authorization header;
//     what is in it is not checked.
//
// # Not covered
//
// Backups, global tables, policies. A parameter that is not covered is refused, never
// ignored; an operation that is not covered is an UnknownOperationException. Nothing is throttled, nothing expires
// and nothing fails by itself: Options.Fault and Server.Expire do that. Reads are always consistent; an
// eventually consistent one only costs less.
//
// # How it is built
//
//	rows.go     the rows of a table, ordered by the hash of the partition key and then by the key; a segment
//	            of a scan is a range of hashes
//	index.go    the entries of an index, rows of their own in the order of its key
//	write.go    every write: plan (condition, new row) and store, both under the table's lock
//	stream.go   store appends to the stream under that same lock, so the records of a key have its order
//	partiql.go  statements by themselves; statements.go: several of them, as a batch or a transaction
//	capacity.go what a call used, of the table and of each index
//	paths.go    what expressions must not say of key attributes
//	compress.go the bodies as they go over the wire
//
// A shard of a stream is a range of hashes too. When it splits, its children divide that range, so that all records
// of one key stand in one line of descent, and no child begins before its parent has ended.
// Sequence numbers grow over all streams of a server.
//
// A position at or before a record that was trimmed is a TrimmedDataAccessException, also for
// AFTER_SEQUENCE_NUMBER of the very last trimmed record; a closed shard of which nothing is left disappears.
package dynamodb
