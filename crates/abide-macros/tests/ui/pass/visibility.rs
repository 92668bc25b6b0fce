//! The macro sees neither the type's visibility nor that of its arguments: any of them will do.
#![deny(warnings)]

mod inner {
    use abide::prelude::*;

    #[derive(State, Default)]
    struct Hidden {
        n: i64,
    }

    #[derive(Serialize, Deserialize)]
    struct Step(i64);

    #[object]
    impl Hidden {
        #[handler]
        fn step(&mut self, by: Step) -> Step {
            self.n += by.0;
            Step(self.n)
        }
    }

    #[derive(State, Default)]
    pub(crate) struct InCrate {
        n: i64,
    }

    #[object]
    impl InCrate {
        #[handler]
        pub(crate) fn next(&mut self) -> i64 {
            self.n += 1;
            self.n
        }
    }

    #[derive(State, Default)]
    pub struct Open {
        n: i64,
    }

    #[object]
    impl Open {
        #[handler]
        fn next(&mut self) -> i64 {
            self.n += 1;
            self.n
        }
    }

    pub async fn run(abide: &Abide) -> Result<()> {
        assert_eq!(abide.object::<Hidden>("x").step(Step(2)).await?.0, 2);
        Ok(())
    }

    pub fn register(builder: abide::Builder) -> abide::Builder {
        builder.register::<Hidden>()
    }
}

use abide::prelude::*;
use inner::{InCrate, Open, OpenRef};

struct Holder {
    open: OpenRef,
    other: Ref<InCrate>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let builder = Abide::open("memory:").register::<InCrate>().register::<Open>();
    let abide = inner::register(builder).start().await?;
    inner::run(&abide).await?;
    let holder = Holder { open: abide.object::<Open>("x"), other: abide.object::<InCrate>("x") };
    assert_eq!(holder.open.clone().next().await?, 1);
    assert_eq!(holder.other.next().await?, 1);
    assert!(format!("{:?}", holder.open).contains("Open"));
    Ok(())
}
