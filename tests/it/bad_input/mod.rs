//! Files as nobody wants them: nothing is lost, nothing hangs, and what is wrong is told.

mod full_disk;
mod odd_files;
mod odd_records;
