/// A list that grows by whole segments: it is never copied, and at most one segment is partly empty.
pub struct Segments<T> {
    segments: Vec<Vec<T>>,
    len: usize,
}

/// Elements of a segment; a power of two.
const SEGMENT: usize = 1 << 13;

impl<T> Default for Segments<T> {
    fn default() -> Self {
        Self {
            segments: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Segments<T> {
    pub fn push(&mut self, element: T) {
        match self.segments.last_mut() {
            Some(last) if last.len() < SEGMENT => last.push(element),
            // The first segment grows as it is filled: most repositories are small.
            None => self.segments.push(vec![element]),
            Some(_) => {
                let mut segment = Vec::with_capacity(SEGMENT);
                segment.push(element);
                self.segments.push(segment);
            }
        }
        self.len += 1;
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, position: usize) -> Option<&T> {
        self.segments.get(position / SEGMENT)?.get(position % SEGMENT)
    }

    #[cfg(test)]
    pub fn memory(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| segment.capacity() * size_of::<T>())
            .sum()
    }
}
